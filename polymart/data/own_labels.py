"""Labels of a table of the user's own: from the words of its file to what a task of each kind learns."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from polymart.config import Table, Task
from polymart.data.tables import Rules
from polymart.errors import TableError

WHOLE = ("binary", "ranking")
"""Kinds whose labels are whole numbers."""
Labelled = tuple[pd.DataFrame, list[str] | None]
"""Rows with the task's label, and the label map (none where labels are numbers)."""


def read_labels(frame: pd.DataFrame, task: Task, table: Table, rules: Rules) -> Labelled:
    """Rows with the labels of the task's kind, and its label map, made from the training rows.

    Raises:
        TableError: no training row has a label, or a label is not what the kind or ``table.labels`` allows.
    """
    if task.kind in ("tagging", "multilabel"):
        return _tagged(frame, task, table, rules)
    labelled = frame.dropna(subset=[task.label])
    rules.add(f"labels/{task.source}", "a row has a label", len(frame), len(labelled))
    labelled = labelled.assign(**{task.label: _translated(labelled[task.label], task, table)})
    _check_some(labelled.split, task)
    if task.kind == "multiclass":
        return _named(labelled, task, rules)
    return _numbered(labelled, task), None


def _named(frame: pd.DataFrame, task: Task, rules: Rules) -> Labelled:
    frame[task.label] = frame[task.label].astype(str)
    names = sorted(frame[task.label][frame.split == "train"].unique())
    kept = frame[frame[task.label].isin(names)]
    rules.add(f"labels/{task.source}", "a label occurs in a training row", len(frame), len(kept))
    return kept, names


def _numbered(frame: pd.DataFrame, task: Task) -> pd.DataFrame:
    numbers = pd.to_numeric(frame[task.label], errors="coerce")
    wrong = numbers.isna() | (numbers.mod(1).ne(0) if task.kind in WHOLE else False)
    if wrong.any():
        raise TableError(
            f"task {task.name!r} ({task.kind}): label {frame[task.label][wrong].iloc[0]!r} is no "
            f"{'whole ' if task.kind in WHOLE else ''}number; {int(wrong.sum())} such rows",
            remedy="say what the labels mean with table.labels, e.g. labels: {Exact: 3, Irrelevant: 0}",
        )
    return frame.assign(**{task.label: numbers.astype("int64" if task.kind in WHOLE else "float64")})


def _tagged(frame: pd.DataFrame, task: Task, table: Table, rules: Rules) -> Labelled:
    tags = frame[task.label].map(lambda value: _tags(value, table.tag_delimiter))
    if table.labels:
        flat = _translated(tags.explode().dropna(), task, table).astype(str)
        tags = flat.groupby(level=0).agg(list).reindex(frame.index).map(lambda v: v if isinstance(v, list) else [])
    names = sorted({tag for row in tags[frame.split == "train"] for tag in row})
    if not names:
        _check_some(frame.split[:0], task)
    position = {name: number for number, name in enumerate(names)}
    ids = tags.map(lambda row: sorted({position[tag] for tag in row if tag in position}))
    fewer = int((ids.map(len) < tags.map(lambda row: len(set(row)))).sum())
    rules.add(f"labels/{task.source}", "tags occur in a training row", len(frame), len(frame), changed=fewer)
    labelled = frame.assign(**{task.label: ids})
    if task.kind == "multilabel":  # one distribution over the labels: without a label there is nothing to learn
        labelled = labelled[ids.map(bool)]
        rules.add(f"labels/{task.source}", "a row has a label", len(frame), len(labelled))
    return labelled, names


def _tags(value: object, delimiter: str) -> list[str]:
    parts = value.split(delimiter) if isinstance(value, str) else value if isinstance(value, Iterable) else []
    return [tag for tag in (str(part).strip() for part in parts) if tag]


def _translated(column: pd.Series, task: Task, table: Table) -> pd.Series:
    if not table.labels:
        return column
    words = column.astype(str)
    unknown = sorted(set(words) - set(table.labels))
    if unknown:
        raise TableError(
            f"task {task.name!r}: table.labels does not say what the label {unknown[0]!r} means "
            f"(nor {len(unknown) - 1} others)",
            remedy=f"add it to table.labels, which knows {', '.join(table.labels)}",
        )
    return words.map(table.labels)


def _check_some(split: pd.Series, task: Task) -> None:
    if not split.eq("train").any():
        raise TableError(
            f"task {task.name!r}: no training row has a label in column {task.label!r}",
            remedy="name the label column in task.label or table.columns, and look at its values",
        )
