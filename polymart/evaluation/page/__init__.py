"""The run page: one self-contained HTML file about one run of the training pipeline."""

from polymart.evaluation.page.render import render_page

__all__ = ["render_page"]
