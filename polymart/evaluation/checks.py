"""What a suite file cannot know by itself: names of metrics and floors, and inputs that fit the kind of task."""

from __future__ import annotations

from polymart.config import Suite, Task
from polymart.errors import SuiteError
from polymart.evaluation.baselines import floor_of
from polymart.evaluation.metrics import metric_of
from polymart.evaluation.retrieval import retrieval_floor


def check_suite(suite: Suite) -> None:
    """Refuse before the first step what would otherwise fail after the training.

    Raises:
        SuiteError: a task's metric or floor is unknown or does not fit its kind, an input belongs to another kind, or
            a bar or slice asks for what no metric can give.
    """
    for task in suite.tasks:
        metric_of(task.metric, task.kind)
        if task.kind == "retrieval":
            retrieval_floor(task.floor)
        else:
            floor_of(task.floor)
        _check_inputs(task)
        _check_ranking(task)
        _check_items(task)
        _check_bar(task)
        _check_slices(task)


def _check_ranking(task: Task) -> None:
    if (task.group is not None) != (task.kind == "ranking"):
        raise SuiteError(
            f"task {task.name!r}: kind 'ranking' and no other needs a group; found kind {task.kind!r} and group "
            f"{task.group!r}",
            remedy="name the query column as group of a ranking task; take it out of other tasks",
        )
    if task.floor == "random_order" and task.kind != "ranking":
        raise SuiteError(
            f"task {task.name!r}: floor 'random_order' orders the rows of a query, found kind {task.kind!r}",
            remedy="use the floor 'majority'",
        )
    if task.kind == "ranking" and task.floor == "bm25" and task.inputs.text_pair is None:
        raise SuiteError(
            f"task {task.name!r}: floor 'bm25' compares inputs.text with inputs.text_pair, which is not given",
            remedy="name the product text as inputs.text_pair, or use the floor 'random_order'",
        )


def _check_items(task: Task) -> None:
    if (task.items is not None) != (task.kind == "retrieval"):
        raise SuiteError(
            f"task {task.name!r}: kind 'retrieval' and no other needs items; found kind {task.kind!r} and items "
            f"{task.items!r}",
            remedy="name the item table of a retrieval task; take items out of other tasks",
        )
    if task.kind == "retrieval" and (task.inputs.text is None or task.inputs.text_pair or task.inputs.image):
        raise SuiteError(
            f"task {task.name!r}: kind 'retrieval' compares inputs.text with the texts of its items; found "
            f"{sorted(task.inputs.model_dump(exclude_defaults=True))}",
            remedy="name the query's text as inputs.text, and take text_pair and image out",
        )


def _check_inputs(task: Task) -> None:
    for name, kinds in (("label_history", ("multilabel", "retrieval")), ("baseline", ("count",))):
        if getattr(task.inputs, name) is not None and task.kind not in kinds:
            raise SuiteError(
                f"task {task.name!r}: inputs.{name} belongs to kind {' or '.join(map(repr, kinds))}, found kind "
                f"{task.kind!r}",
                remedy=f"take inputs.{name} out, or correct the kind",
            )
    if task.floor == "personal_frequency" and task.inputs.label_history is None:
        raise SuiteError(
            f"task {task.name!r}: floor 'personal_frequency' needs inputs.label_history",
            remedy="name the history's columns, or use the floor 'majority'",
        )


def _check_bar(task: Task) -> None:
    """Metrics of which more is better end at 1; the others start at 0."""
    greater = metric_of(task.metric, task.kind).greater_is_better
    if task.bar is not None and not (task.bar < 1 if greater else task.bar > 0):
        asked = (
            "greater is better and it ends at 1, so a bar lies below 1"
            if greater
            else ("less is better and it starts at 0, so a bar lies above 0")
        )
        raise SuiteError(
            f"task {task.name!r}: no model reaches a bar of {task.bar:g} in {task.metric}: {asked}",
            remedy="give the least value that is good enough" if greater else "give the largest error that is allowed",
        )


def _check_slices(task: Task) -> None:
    names = [one.name for one in task.slices]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SuiteError(
            f"task {task.name!r}: names of slices must be unique; found twice: {', '.join(twice)}",
            remedy="give each slice a name of its own",
        )
    ends_at_1 = metric_of(task.metric, task.kind).greater_is_better
    for one in task.slices:
        if not one.column.strip():
            raise SuiteError(
                f"task {task.name!r}: slice {one.name!r} needs a column, found {one.column!r}",
                remedy="name a column of the label rows, of their features or of an input text",
            )
        if one.max_gap is not None and ends_at_1 and one.max_gap >= 1:
            raise SuiteError(
                f"task {task.name!r}: slice {one.name!r} allows a gap of {one.max_gap:g}, and {task.metric} ends at 1: "
                "no gap would ever be too large",
                remedy="give max_gap in the metric's units, e.g. 0.1",
            )
