"""``report.html`` (one file, for the person on call) and ``report.json`` (for machines)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from monitoring.report import charts
from monitoring.report.first import first_screen
from monitoring.report.log import log_rows
from monitoring.schema import DriftReport
from polymart.files import atomic_path, write_json

MAX_CAUSES = 5
"""Causes named on the first screen; the tables below hold all."""
ROOM = {"columns": 800, "shapes": 150, "signals": 600}
"""Rows, pictures and signals of a whole page: its tasks share them, so that it stays far below two megabytes."""
LEAST = 10
"""Of each, whatever the number of tasks."""


def render_html(report: DriftReport) -> str:
    """The page; every value is escaped, nothing is fetched from elsewhere.

    Args:
        report: with its decision.
    """
    first = first_screen(report)
    hurt = {task for cause in first.causes[:MAX_CAUSES] for task in cause.tasks} | {task for task, _ in first.broken}
    room = {what: max(LEAST, most // max(1, len(report.tasks))) for what, most in ROOM.items()}
    return environment().get_template("page.html.j2").render(
        report=report, first=first, open_tasks=hurt, log=log_rows(report), max_causes=MAX_CAUSES, room=room
    )  # fmt: skip


@cache
def environment() -> Environment:
    """Templates of the drift pages; they share the run page's style."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader("monitoring.report", "."), PackageLoader("polymart.evaluation.page", ".")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["day"] = lambda time: f"{time:%Y-%m-%d}"
    made.filters["number"] = lambda value: "–" if value is None else f"{value:.4g}"
    made.globals |= {"charts": charts, "name": _name}
    return made


def _name(text: str) -> Markup:
    """A name that may be broken after its underscores."""
    return Markup("_<wbr>").join(escape(part) for part in text.split("_"))


def write_report(report: DriftReport, out: Path) -> None:
    """Write ``report.json``, ``decision.json`` and ``report.html``.

    Raises:
        StorageError: ``out`` cannot be written.
    """
    assert report.decision is not None
    write_json(out / "report.json", report.model_dump(mode="json"))
    write_json(out / "decision.json", report.decision.model_dump(mode="json"))
    with atomic_path(out / "report.html") as temporary:
        temporary.write_text(render_html(report))
