"""``report.html`` (one file, for the person on call) and ``report.json`` (for machines)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from monitoring.decision import ROLLBACK_COMMAND
from monitoring.schema import ColumnDrift, DriftReport, TaskReport
from polymart.files import atomic_path, write_json

HEADLINES = {"keep": "Keep the release", "watch": "Watch", "retrain": "Retrain", "rollback": "Roll back"}
MAX_MOVED = 5
"""Columns named on the first screen; the table below holds all."""


def heat(column: ColumnDrift | None) -> str:
    """CSS class of a cell: ``n`` not judged, ``h0`` (still) to ``h3`` (drifted), ``h4`` (three times the bound)."""
    if column is None or column.psi is None or not column.threshold:
        return "n"
    ratio = column.psi / column.threshold
    return f"h{sum(ratio >= step for step in (0.25, 0.5, 1, 3))}"


def _cells(task: TaskReport) -> list[tuple[str, list[ColumnDrift | None]]]:
    names = dict.fromkeys(column.name for window in task.windows for column in window.columns)
    by_window = [{column.name: column for column in window.columns} for window in task.windows]
    moved = [column.name for column in task.moved]
    ordered = [*moved, *(name for name in names if name not in moved)]
    return [(name, [columns.get(name) for columns in by_window]) for name in ordered]


def _moved(report: DriftReport) -> list[tuple[str, Any]]:
    moved = [(task.name, column) for task in report.tasks for column in task.moved]
    return sorted(moved, key=lambda pair: (-pair[1].psi, pair[1].name))


def render_html(report: DriftReport) -> str:
    """The page; every value is escaped, nothing is fetched from elsewhere.

    Args:
        report: with its decision.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    assert report.decision is not None
    broken = [(task.name, message) for task in report.tasks for message in task.newest.failures]
    return environment.get_template("report.html.j2").render(
        report=report,
        decision=report.decision,
        headline=HEADLINES[report.decision.action],
        moved=_moved(report),
        max_moved=MAX_MOVED,
        broken=broken,
        cells=_cells,
        heat=heat,
        rollback_command=ROLLBACK_COMMAND,
    )


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
