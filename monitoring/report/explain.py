"""Why a task or a column stands in the report: since when, which cause comes first, what to do."""

from __future__ import annotations

from difflib import get_close_matches

from monitoring.records import Record
from monitoring.report.causes import RankedCause
from monitoring.report.first import TODO, first_screen
from monitoring.schema import ColumnDrift, DriftReport, QualityFinding, Signal, TaskReport
from polymart.errors import MonitoringError


class Explanation(Record):
    """The answer of ``polymart drift explain``."""

    name: str
    tasks: tuple[str, ...]
    verdict: str
    """One sentence."""
    causes: tuple[RankedCause, ...]
    """Ranked; those that concern the name alone."""
    quality: tuple[QualityFinding, ...]
    signals: tuple[Signal, ...]
    columns: tuple[tuple[str, ColumnDrift], ...]
    """Task and column, for a column that was asked about."""
    reasons: tuple[str, ...]
    todo: str
    runbook: str


def explain(report: DriftReport, name: str) -> Explanation:
    """Explain a task or a column.

    Args:
        report: with its decision.
        name: of a task, a column or a signal.

    Raises:
        MonitoringError: the report knows no such name.
    """
    of_task = [task for task in report.tasks if task.name == name]
    tasks = of_task or [task for task in report.tasks if name in _names(task)]
    if not tasks:
        raise _unknown(report, name)
    first = first_screen(report)
    chosen = {task.name for task in tasks}
    causes = tuple(cause for cause in first.causes if (chosen & set(cause.tasks) if of_task else name == cause.name))
    quality = tuple(finding for task in tasks for finding in task.newest.quality if of_task or finding.column == name)
    broken = any(finding.failed for finding in quality)
    concerned = broken or bool(causes)
    return Explanation(
        name=name,
        tasks=tuple(task.name for task in tasks),
        verdict=_verdict(name, causes, broken, bool(of_task)),
        causes=causes,
        quality=quality,
        signals=tuple(
            signal
            for task in tasks
            for signal in (task.newest.moved_signals if of_task else task.newest.signals)
            if of_task or name in (signal.column, signal.title)
        ),
        columns=()
        if of_task
        else tuple((task.name, column) for task in tasks for column in task.newest.columns if column.name == name),
        reasons=tuple(line for line in first.reasons if line.split(",")[0] in chosen),
        todo=TODO["broken"] if broken else first.todo if concerned else TODO["keep"],
        runbook="docs/runbook.md#" + ("polymartdatabroken" if broken else "polymartdrift" if causes else "keep"),
    )


def _names(task: TaskReport) -> set[str]:
    new = task.newest
    columns = {column.name for window in task.windows for column in window.columns}
    return columns | {part for signal in new.signals for part in (signal.column, signal.title) if part}


def _unknown(report: DriftReport, name: str) -> MonitoringError:
    known = sorted({task.name for task in report.tasks} | {one for task in report.tasks for one in _names(task)})
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    tasks = ", ".join(task.name for task in report.tasks) or "none"
    return MonitoringError(
        f"the report of suite {report.suite!r} knows no task, column or signal {name!r}; its tasks: {tasks}",
        remedy=f"did you mean {' or '.join(near)}?" if near else "run: polymart drift latest",
    )


def _verdict(name: str, causes: tuple[RankedCause, ...], broken: bool, is_task: bool) -> str:
    if broken:
        return f"{name}: the data of the newest window are broken, so drift is not to be believed."
    if not causes:
        return f"{name}: nothing moved in the newest window."
    first = causes[0]
    what = f"{first.name} moved most" if is_task else f"{name} moved"
    cost = f", estimated to cost {first.hurts:.0%}" if first.hurts and first.hurts > 0 else ""
    return (
        f"{name if is_task else ', '.join(first.tasks)}: {what}, since {first.since:%Y-%m-%d}, "
        f"{first.strength:.1f} times its threshold{cost}."
    )
