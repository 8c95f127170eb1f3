"""The report of one pass, the history of all of them, and what they tell Prometheus."""

from monitoring.report.render import render_html, write_report

__all__ = ["render_html", "write_report"]
