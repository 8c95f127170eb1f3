"""What the on-call person reads first: what moved, since when, whom it hurts, what was decided, how to go back."""

from __future__ import annotations

from datetime import datetime

from monitoring.decision import ROLLBACK_COMMAND
from monitoring.records import Action, Record
from monitoring.report.causes import RankedCause, ranked
from monitoring.schema import DriftReport, TaskReport

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
