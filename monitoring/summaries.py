"""From a drift report to what the decision reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from monitoring.drift import moved_columns
from monitoring.records import WindowSummary
from monitoring.schema import DriftReport, Signal, TaskReport, WindowReport
from polymart.config import Monitoring, Suite, Task

PreviousPerformance = Callable[[Task, WindowReport], "float | str"]
"""The previous release's performance on a window's labelled rows, or why it is unknown."""


def summarise(report: DriftReport, suite: Suite, previous: PreviousPerformance | None = None) -> list[WindowSummary]:
    """Every window as `decide` reads it.

    The previous release is asked about each task's newest labelled window, if that misses its gate.
    """
    return [summary for task in report.tasks for summary in _task(task, report.data_digest, suite, previous)]


def _task(
    task: TaskReport, data_digest: str, suite: Suite, previous: PreviousPerformance | None
) -> list[WindowSummary]:
    declared, policy = suite.task(task.name), suite.monitoring
    summaries = [
        WindowSummary(
            task=task.name,
            start=window.start,
            end=window.end,
            num_columns=len(window.judged),
            num_drifted=len(window.drifted),
            failures=window.failures,
            alarms=_alarms(window, policy),
            data_digest=data_digest,
            weight=declared.weight,
            **_performance(window, policy),
        )
        for window in task.windows
    ]
    labelled = [place for place, one in enumerate(summaries) if one.performance is not None]
    if labelled and previous and summaries[labelled[-1]].misses_gate:
        place = labelled[-1]
        found = previous(declared, task.windows[place])
        told = {"previous_note": found} if isinstance(found, str) else {"previous_performance": found}
        summaries[place] = summaries[place].model_copy(update=told)
    return summaries


def _performance(window: WindowReport, policy: Monitoring) -> dict[str, float | bool | None]:
    found = window.performance
    if found is None or found.rows < policy.min_labelled_rows:
        return {}
    return {
        "performance": found.value,
        "gate": gate_of(window, policy),
        "higher_is_better": found.higher_is_better,
    }


def gate_of(window: WindowReport, policy: Monitoring) -> float | None:
    """The worst labelled performance that a window may have; None where the reference's is unknown.

    It leaves room for ``max_performance_loss``, or for what chance alone explains where that is more.
    """
    found = window.performance
    if found is None or found.reference is None:
        return None
    chance = max((one.threshold or 0.0 for one in window.signals if _is_of_task(one, found.metric)), default=0.0)
    loss = max(policy.max_performance_loss * abs(found.reference), chance)
    return found.reference - loss if found.higher_is_better else found.reference + loss


def _is_of_task(signal: Signal, metric: str) -> bool:
    """Whether a signal is the labelled performance of the whole task."""
    return signal.kind == "performance" and signal.name == metric and not signal.slice


def _alarms(window: WindowReport, policy: Monitoring) -> tuple[str, ...]:
    """Moved signals of the whole task that say what labels do not say themselves."""
    metric = window.performance.metric if window.performance else ""
    return tuple(
        f"{signal.title} moved, expected to cost {signal.hurts:.0%}"
        for signal in window.moved_signals
        if not signal.slice and not _is_of_task(signal, metric)
        if signal.hurts is not None and signal.hurts > policy.max_performance_loss
    )


def as_of(report: DriftReport, end: datetime) -> DriftReport:
    """The report as it stood at ``end``: windows that had ended by then, without Evidently's page of a later one.

    Args:
        report: with all windows.
        end: the end of one of them.
    """
    tasks = [
        task.model_copy(
            update={"windows": tuple(windows), "moved": moved_columns(windows), "html": "", "json_file": ""}
        )
        for task in report.tasks
        if (windows := [window for window in task.windows if window.end <= end])
    ]
    return report.model_copy(update={"tasks": tuple(tasks), "newest_event": end})
