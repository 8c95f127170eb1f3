"""What the on-call person reads first: what moved, since when, whom it hurts, what was decided, how to go back."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from itertools import takewhile

from monitoring.decision import ROLLBACK_COMMAND
from monitoring.impact import EFFECTS, Cause, rank_causes
from monitoring.records import Action, Record
from monitoring.schema import DriftReport, TaskReport, WindowReport

HEADLINES: dict[Action, str] = {
    "keep": "Keep the release",
    "watch": "Watch",
    "retrain": "Retrain",
    "rollback": "Roll back",
}
TODO: dict[str, str] = {
    "broken": "Repair the source of the failed checks, then run: polymart monitor. Nothing is retrained on broken "
    "data, and a rollback would not help.",
    "keep": "Nothing.",
    "watch": "Compare the dates with deployments, price changes, campaigns and import jobs; then wait for the next "
    "window.",
    "retrain": "Nothing: the training pipeline is submitted and its gates decide. By hand: run the command.",
    "rollback": "Run the rollback command, then look for the cause.",
}


class RankedCause(Record):
    """Something that broke or moved in the newest window, in one or several tasks."""

    name: str
    kind: str
    tasks: tuple[str, ...]
    since: datetime
    broken: bool
    standing: bool = False
    """Whether the windows before named it, too: no news."""
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


class TaskState(Record):
    """A task's newest window in one line."""

    name: str
    data_origin: str
    status: str
    """``broken``, ``drifted``, ``steady`` or ``unknown``."""
    words: str
    metric: str = ""
    value: float | None = None
    reference: float | None = None
    loss: float | None = None
    """Relative loss; measured with labels, or estimated where none arrived."""
    estimated: bool = False


class FirstScreen(Record):
    """The first screen of the report, and all of ``polymart drift latest``."""

    suite: str
    newest_event: datetime | None
    action: Action
    headline: str
    story: str
    """One sentence: what moved, since when, whom it hurts."""
    broken: tuple[tuple[str, str], ...]
    """Task and message of every failed check."""
    causes: tuple[RankedCause, ...]
    """Worst first."""
    tasks: tuple[TaskState, ...]
    """Most hurt first."""
    reasons: tuple[str, ...]
    todo: str
    command: str
    """What retrain or rollback submits, or what a retraining would submit."""
    rollback_command: str


def first_screen(report: DriftReport) -> FirstScreen:
    """Boil a report down.

    Args:
        report: with its decision.
    """
    decision = report.decision
    assert decision is not None
    broken = tuple((task.name, message) for task in report.tasks for message in task.newest.failures)
    causes, tasks = ranked(report), tuple(_state(task) for task in report.tasks)
    return FirstScreen(
        suite=report.suite,
        newest_event=report.newest_event,
        action=decision.action,
        headline=HEADLINES[decision.action] + (": data broken" if broken else ""),
        story=_story(causes, tasks, broken),
        broken=broken,
        causes=causes,
        tasks=tasks,
        reasons=decision.reasons,
        todo=TODO["broken" if broken else decision.action],
        command=decision.command,
        rollback_command=decision.rollback_command or ROLLBACK_COMMAND,
    )


def ranked(report: DriftReport) -> tuple[RankedCause, ...]:
    """Everything that broke or moved in the newest windows, worst first; one line for all its tasks."""
    by_name: dict[str, list[RankedCause]] = defaultdict(list)
    for task in report.tasks:
        for cause in rank_causes(task.newest, task.windows[:-1]):
            one = _placed(task, cause)
            by_name[one.name].append(one)
    return tuple(sorted(map(_merge, by_name.values()), key=lambda one: one.order))


def _merge(causes: list[RankedCause]) -> RankedCause:
    tasks = tuple(dict.fromkeys(task for one in causes for task in one.tasks))
    hurts = max((one.hurts for one in causes if one.hurts is not None), default=None)
    worst = min(causes, key=lambda one: one.order)
    return worst.model_copy(update={"tasks": tasks, "hurts": hurts, "since": min(one.since for one in causes)})


def _placed(task: TaskReport, cause: Cause) -> RankedCause:
    """A task's cause with its date and the words of its strongest signal."""
    told = [signal for signal in task.newest.moved_signals if signal.title in cause.names]
    starts = [signal.since for signal in told if signal.since]
    if cause.column or cause.broken:
        starts.append(_since(task, cause))
    return RankedCause(
        name=cause.column or cause.names[0],
        kind=cause.kinds[0],
        tasks=(task.name,),
        since=min(starts, default=task.newest.start),
        broken=cause.broken,
        standing=cause.standing,
        strength=cause.strength,
        impact=cause.impact,
        hurts=cause.hurts,
        note=next((signal.note for signal in told if signal.note), ""),
    )


def _since(task: TaskReport, cause: Cause) -> datetime:
    """Start of the unbroken run of windows, up to the newest, in which the cause's column drifted or broke."""

    def is_hit(window: WindowReport) -> bool:
        moved = any(column.name in cause.names for column in window.drifted)
        return moved or any(finding.failed and finding.column == cause.column for finding in window.quality)

    hit = list(takewhile(is_hit, reversed(task.windows)))
    return hit[-1].start if hit else task.newest.start


def _state(task: TaskReport) -> TaskState:
    new = task.newest
    status = "broken" if new.failures else "unknown" if not new.judged else "drifted" if new.drifted else "steady"
    words = {
        "broken": "data broken",
        "unknown": "not judged, too few rows",
        "drifted": f"{len(new.drifted)} of {len(new.judged)} columns drifted",
        "steady": f"{len(new.judged)} columns, none drifted",
    }[status]
    known = new.performance or new.estimate
    measured = {} if known is None else {
        "metric": known.metric, "value": known.value, "reference": known.reference, "loss": known.loss,
        "estimated": new.performance is None,
    }  # fmt: skip
    return TaskState(name=task.name, data_origin=task.data_origin, status=status, words=words, **measured)


def _story(causes: tuple[RankedCause, ...], tasks: tuple[TaskState, ...], broken: tuple[tuple[str, str], ...]) -> str:
    if broken:
        names = _listed(dict.fromkeys(task for task, _ in broken))
        return f"{len(broken)} check{'s' * (len(broken) > 1)} of the data failed for {names}."
    if not causes:
        return f"Nothing moved in the newest windows of {len(tasks)} tasks." if tasks else "No task has event time."
    first = causes[0]
    cost = f", estimated to cost {first.hurts:.0%}" if first.hurts and first.hurts > 0 else ""
    where = f"since {first.since:%Y-%m-%d} in {_listed(first.tasks)}{cost}"
    if len(causes) == 1:
        return f"{first.name} moved {where}."
    return f"{first.name} and {len(causes) - 1} more moved; {first.name} {where}."


def _listed(names: tuple[str, ...] | dict[str, None]) -> str:
    return ", ".join(names)
