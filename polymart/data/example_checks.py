"""What must hold of an example table before a model may learn from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from polymart.config import Inputs, Task
from polymart.data.splits import SPLITS
from polymart.errors import LabelError, TableError

WHOLE_NUMBERS = {"binary": (0, 1), "ranking": (0, 1, 2, 3)}
"""Kind -> its only labels; grades of ranking are irrelevant, complement, substitute, exact."""
MAX_EXAMPLES = 3
"""Offending example ids named in a message."""


def input_columns(inputs: Inputs) -> list[str]:
    """The columns of an example table that a model with these inputs reads."""
    prefix = inputs.label_history
    lists = [f"{prefix}_{part}" for part in ("ids", "count", "decayed", "gap")] if prefix else []
    singles = [name for name in (inputs.text, inputs.text_pair, inputs.image, inputs.baseline) if name]
    return list(dict.fromkeys([*singles, *inputs.numeric, *inputs.categorical, *lists]))


def check_examples(frame: pd.DataFrame, task: Task, labels: Sequence[str] | None, num_items: int = 0) -> None:
    """Stop on an example table that a model must not learn from.

    Raises:
        TableError: a column is absent, an example id repeats, a split is empty, an input is missing in every
            training row, or a numeric input is infinite.
        LabelError: a label stands outside the label map or the item table (of ``num_items`` rows), or is no valid
            value of the task's kind.
    """
    _check_columns(frame, task)
    repeated = frame.example_id.duplicated()
    if repeated.any():
        raise TableError(
            f"task {task.name!r}: {int(repeated.sum())} example ids repeat, e.g. {_ids(frame, repeated)}",
            remedy="give every label row its own example_id",
        )
    for split in SPLITS:
        if not frame.split.eq(split).any():
            raise TableError(
                f"task {task.name!r} has no {split} examples ({_periods(task)})",
                remedy="move the split dates into the period of the data, or leave the task out",
            )
    _check_inputs(frame, task)
    _check_labels(frame, task, labels, num_items)


def _check_columns(frame: pd.DataFrame, task: Task) -> None:
    group = [task.group] if task.group else []
    slices = [slice_.column for slice_ in task.slices]
    needed = ["example_id", "split", task.label, task.cluster, *group, *input_columns(task.inputs), *slices]
    absent = [name for name in dict.fromkeys(needed) if name not in frame]
    if absent:
        raise TableError(
            f"task {task.name!r}: the columns {', '.join(absent)} are absent from its example table",
            remedy="name columns of the label table or of the task's feature service in the suite",
        )


def _check_inputs(frame: pd.DataFrame, task: Task) -> None:
    train = frame[frame.split == "train"]
    for name in input_columns(task.inputs):
        if train[name].isna().all():
            raise TableError(
                f"task {task.name!r}: input column {name!r} is missing in all {len(train)} training rows",
                remedy="look at the feature table that offers it, or leave the column out of the suite",
            )
    for role, column in (("group", task.group), ("cluster", task.cluster)):
        missing = frame[column].isna() if column else pd.Series(False, frame.index)
        if missing.any():
            raise TableError(
                f"task {task.name!r}: the {role} {column!r} is missing in {int(missing.sum())} rows, "
                f"e.g. {_ids(frame, missing)}",
                remedy=f"give each row the {role} that it belongs to",
            )
    for name in task.inputs.numeric:
        infinite = np.isinf(pd.to_numeric(frame[name], errors="coerce"))
        if infinite.any():
            raise TableError(
                f"task {task.name!r}: input column {name!r} is infinite in {int(infinite.sum())} rows, "
                f"e.g. {_ids(frame, infinite)}",
                remedy="look for a division by zero where the feature is computed",
            )


def _check_labels(frame: pd.DataFrame, task: Task, labels: Sequence[str] | None, num_items: int) -> None:
    if task.kind in ("multiclass", "multilabel", "tagging") and not labels:
        raise LabelError(f"task {task.name!r} ({task.kind}) has no label map", remedy="list its labels in labels.json")
    foreign = ~_is_valid(frame[task.label], task.kind, list(labels or ()), num_items)
    if foreign.any():
        value = frame[task.label][foreign].iloc[0]
        raise LabelError(
            f"task {task.name!r}: label {value!r} is outside {_allowed(task.kind, labels, num_items)}; "
            f"{int(foreign.sum())} such rows, e.g. {_ids(frame, foreign)}",
            remedy="correct those label rows, or prepare the tables again so that rows and label map agree",
        )
    train = frame[task.label][frame.split == "train"]
    if task.kind in ("binary", "multiclass", "regression", "ranking") and train.nunique() == 1:
        raise LabelError(
            f"task {task.name!r}: all {len(train)} training rows have the label {train.iloc[0]!r}: "
            "there is nothing to tell apart",
            remedy="bring training rows with another label, or take the task out of the suite",
        )


def _is_valid(column: pd.Series, kind: str, labels: list[str], num_items: int) -> pd.Series:
    if kind == "multiclass":
        return column.isin(labels)
    if kind == "multilabel":
        return column.map(lambda ids: _ids_within(ids, len(labels))).astype(bool)
    if kind == "tagging":
        return column.map(lambda ids: _ids_within(ids, len(labels), at_least=0)).astype(bool)
    if kind == "retrieval":
        return column.map(lambda ids: _ids_within(ids, num_items)).astype(bool)
    numbers = pd.to_numeric(column, errors="coerce")
    if kind in WHOLE_NUMBERS:
        return numbers.isin(WHOLE_NUMBERS[kind])
    return np.isfinite(numbers) & (numbers.ge(0) if kind == "count" else True)


def _ids_within(ids: object, count: int, at_least: int = 1) -> bool:
    if not isinstance(ids, list | tuple | np.ndarray):
        return False
    values = np.asarray(ids)
    return len(values) >= at_least and bool((values >= 0).all() and (values < count).all())


def _allowed(kind: str, labels: Sequence[str] | None, num_items: int) -> str:
    if kind == "retrieval":
        return f"non-empty lists of row numbers 0..{num_items - 1} of the item table"
    if kind == "tagging":
        return f"lists of ids 0..{len(labels or ()) - 1}"
    if kind == "multilabel":
        return f"non-empty lists of ids 0..{len(labels or ()) - 1}"
    if kind == "multiclass":
        return f"the label map of {len(labels or ())} names"
    if kind in WHOLE_NUMBERS:
        return f"the whole numbers {', '.join(map(str, WHOLE_NUMBERS[kind]))}"
    return "the finite numbers >= 0" if kind == "count" else "the finite numbers"


def _ids(frame: pd.DataFrame, rows: pd.Series) -> str:
    return ", ".join(map(str, frame.example_id[rows].head(MAX_EXAMPLES)))


def _periods(task: Task) -> str:
    if task.split is None:
        return "its source brings its own split"
    return f"val_from {task.split.val_from}, test_from {task.split.test_from}"
