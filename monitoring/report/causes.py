"""The causes of all tasks in one list: the ranking of `monitoring.impact`, with dates and the tasks of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile

from monitoring.impact import EFFECTS, Cause, rank_causes
from monitoring.records import Record
from monitoring.schema import DriftReport, TaskReport, WindowReport


class RankedCause(Record):
    """Something that broke or moved in the newest window, in one or several tasks."""

    name: str
    kind: str
    tasks: tuple[str, ...]
    since: datetime
    broken: bool
    standing: bool = False
    """Whether it stood near its threshold in the windows before, too: no news."""
    strength: float
    """Distance in units of its threshold, largest of the tasks."""
    impact: float
    """Of `monitoring.impact`: only the order and ratios mean anything."""
    hurts: float | None = None
    """Estimated relative loss of the task that it hurts most; None where nothing can tell."""
    note: str = ""

    @property
    def order(self) -> tuple[bool, bool, bool, float, str]:
        """What broke first, then news, then what moved, then mere effects; by impact, ties by name."""
        return not self.broken, self.standing, self.kind in EFFECTS, -self.impact, self.name


def ranked(report: DriftReport) -> tuple[RankedCause, ...]:
    """Everything that broke or moved in the newest windows, worst first; one line for all its tasks."""
    by_name: dict[str, list[RankedCause]] = defaultdict(list)
    for task in report.tasks:
        for cause in _of_task(task):
            by_name[cause.name].append(cause)
    return tuple(sorted(map(_merge, by_name.values()), key=lambda one: one.order))


def _merge(causes: list[RankedCause]) -> RankedCause:
    tasks = tuple(dict.fromkeys(task for one in causes for task in one.tasks))
    hurts = max((one.hurts for one in causes if one.hurts is not None), default=None)
    worst = min(causes, key=lambda one: one.order)
    return worst.model_copy(update={"tasks": tasks, "hurts": hurts, "since": min(one.since for one in causes)})


def _of_task(task: TaskReport) -> Iterator[RankedCause]:
    """A task's causes with their dates and the words of their strongest signal."""
    moved = {signal.title: signal for signal in task.newest.moved_signals}
    past = [(window.start, _touched(window)) for window in reversed(task.windows)]
    for cause in rank_causes(task.newest, task.windows[:-1]):
        told = [moved[name] for name in cause.names if name in moved]
        starts = [signal.since for signal in told if signal.since]
        if run := list(takewhile(_columns(cause).intersection, (touched for _, touched in past))):
            starts.append(past[len(run) - 1][0])
        yield RankedCause(
            name=cause.column or cause.names[0], kind=cause.kinds[0], tasks=(task.name,),
            since=min(starts, default=task.newest.start), broken=cause.broken, standing=cause.standing,
            strength=cause.strength, impact=cause.impact, hurts=cause.hurts,
            note=next((signal.note for signal in told if signal.note), ""),
        )  # fmt: skip


def _touched(window: WindowReport) -> set[str]:
    """Columns that drifted or failed a check in a window; a failure of the whole window goes by ``(rows)``."""
    failed = {finding.column or "(rows)" for finding in window.quality if finding.failed}
    return failed | {column.name for column in window.drifted}


def _columns(cause: Cause) -> set[str]:
    """What `_touched` calls the columns behind a cause."""
    broken = {cause.column or "(rows)"} if cause.broken else set()
    return broken | set(cause.names)
