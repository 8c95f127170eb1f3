"""What a suite file cannot know by itself: names of metrics and floors, and inputs that fit the kind of task."""

from __future__ import annotations

from polymart.config import Suite, Task
from polymart.errors import SuiteError
from polymart.evaluation.baselines import floor_of
from polymart.evaluation.metrics import metric_of


def check_suite(suite: Suite) -> None:
    """Refuse before the first step what would otherwise fail after the training.

    Raises:
        SuiteError: a task's metric or floor is unknown or does not fit its kind, or an input belongs to another kind.
    """
    for task in suite.tasks:
        metric_of(task.metric, task.kind)
        floor_of(task.floor)
        _check_inputs(task)


def _check_inputs(task: Task) -> None:
    for name, kind in (("label_history", "multilabel"), ("baseline", "count")):
        if getattr(task.inputs, name) is not None and task.kind != kind:
            raise SuiteError(
                f"task {task.name!r}: inputs.{name} belongs to kind {kind!r}, found kind {task.kind!r}",
                remedy=f"take inputs.{name} out, or correct the kind",
            )
    if task.floor == "personal_frequency" and task.inputs.label_history is None:
        raise SuiteError(
            f"task {task.name!r}: floor 'personal_frequency' needs inputs.label_history",
            remedy="name the history's columns, or use the floor 'majority'",
        )
