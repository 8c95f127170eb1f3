"""What the on-call person reads first: what moved, since when, whom it hurts, what was decided, how to go back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile

from monitoring.decision import ROLLBACK_COMMAND
from monitoring.records import Action, Record
from monitoring.schema import ColumnDrift, DriftReport, TaskReport, WindowReport

HEADLINES: dict[Action, str] = {
    "keep": "Keep the release",
    "watch": "Watch",
    "retrain": "Retrain",
    "rollback": "Roll back",
}
TODO: dict[str, str] = {
    "broken": "Repair the source of the failed checks, then run `polymart monitor` again. Nothing is retrained on "
    "broken data, and a rollback would not help.",
    "keep": "Nothing.",
    "watch": "Compare the dates with deployments, price changes, campaigns and import jobs; then wait for the next "
    "window.",
    "retrain": "Nothing: the training pipeline is submitted and its gates decide. By hand: run the command.",
    "rollback": "Run the rollback command, then look for the cause.",
}


class Cause(Record):
    """Something that moved in the newest window, and the tasks that it touches."""

    name: str
    kind: str
    tasks: tuple[str, ...]
    since: datetime
    strength: float
    """Distance in units of its threshold, largest of the tasks."""
    hurts: float | None = None
    """Estimated relative loss of the task that it hurts most; None where nothing can tell."""
    note: str = ""


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
    causes: tuple[Cause, ...]
    """Most harmful first."""
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
    causes, tasks = rank_causes(report), tuple(_state(task) for task in report.tasks)
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


def rank_causes(report: DriftReport) -> tuple[Cause, ...]:
    """Everything that moved in the newest windows: known harm first, then strength; one line for all its tasks."""
    by_name: dict[str, list[Cause]] = defaultdict(list)
    for task in report.tasks:
        for cause in _moved(task):
            by_name[cause.name].append(cause)
    merged = [_merge(causes) for causes in by_name.values()]
    return tuple(sorted(merged, key=lambda one: (-(one.hurts or 0.0), -one.strength, one.name)))


def _merge(causes: list[Cause]) -> Cause:
    worst = max(causes, key=lambda one: (one.hurts or 0.0, one.strength))
    tasks = tuple(dict.fromkeys(task for one in causes for task in one.tasks))
    return worst.model_copy(update={"tasks": tasks, "since": min(one.since for one in causes)})


def _moved(task: TaskReport) -> Iterator[Cause]:
    new = task.newest
    signalled = {signal.column: signal for signal in reversed(new.moved_signals) if signal.column and not signal.slice}
    for column in new.drifted:
        signal = signalled.get(column.name)
        yield Cause(
            name=column.name, kind=column.kind, tasks=(task.name,), since=_since(task, column.name),
            strength=strength(column), hurts=signal.hurts if signal else None, note=signal.note if signal else "",
        )  # fmt: skip
    drifted = {column.name for column in new.drifted}
    for signal in new.moved_signals:
        if signal.column not in drifted or signal.slice:
            yield Cause(
                name=signal.title, kind=signal.kind, tasks=(task.name,), since=signal.since or new.start,
                strength=signal.strength, hurts=signal.hurts, note=signal.note,
            )  # fmt: skip


def strength(column: ColumnDrift) -> float:
    """How far a column lies from the reference, in units of its threshold; 0 where it was not judged."""
    distances = [(column.psi, column.threshold), (column.ks, column.ks_threshold)]
    return max((value / bound for value, bound in distances if value is not None and bound), default=0.0)


def _since(task: TaskReport, column: str) -> datetime:
    """Start of the unbroken run of windows, up to the newest, in which a column drifted."""

    def has_drifted(window: WindowReport) -> bool:
        return any(one.name == column for one in window.drifted)

    return list(takewhile(has_drifted, reversed(task.windows)))[-1].start


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


def _story(causes: tuple[Cause, ...], tasks: tuple[TaskState, ...], broken: tuple[tuple[str, str], ...]) -> str:
    if broken:
        names = _listed(dict.fromkeys(task for task, _ in broken))
        return f"{len(broken)} check{'s' * (len(broken) > 1)} of the data failed for {names}."
    if not causes:
        return f"Nothing moved in the newest windows of {len(tasks)} tasks." if tasks else "No task has event time."
    first = causes[0]
    more = f" and {len(causes) - 1} more" if len(causes) > 1 else ""
    cost = f", estimated to cost {first.hurts:.0%}" if first.hurts and first.hurts > 0 else ""
    return f"{first.name}{more} moved; the first since {first.since:%Y-%m-%d}, in {_listed(first.tasks)}{cost}."


def _listed(names: tuple[str, ...] | dict[str, None]) -> str:
    return ", ".join(names)
