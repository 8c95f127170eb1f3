"""Example tables: label rows, split, sampled and joined with features as they were known at the decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polymart.config import Suite, Task
from polymart.data.example_checks import check_examples
from polymart.data.example_index import ExamplesIndex, TaskExamples, read_examples, read_examples_index
from polymart.data.items import copy_items, read_items
from polymart.data.own_tables import how_to_bring
from polymart.data.prepare import TABLES_OF
from polymart.data.provenance import provenance
from polymart.data.sampling import limit_rows
from polymart.data.splits import SPLITS, assign_split
from polymart.data.tables import write_table
from polymart.errors import TableError
from polymart.files import atomic_folder, digest_file, digest_text, read_json, write_json

__all__ = [
    "ExamplesIndex",
    "TaskExamples",
    "build_label_rows",
    "finish_examples",
    "read_examples",
    "read_examples_index",
    "skip_reason",
    "write_examples",
]

NAMED = ("multiclass", "multilabel", "tagging")
"""Kinds whose labels have names; a table may hold a named label for one task and a number for another."""
Retrieve = Callable[[str, pd.DataFrame], pd.DataFrame]
"""(feature service, entity rows with event_timestamp) -> the same rows, in order, with features appended; ``attrs`` may
tell ``newest_features`` (see `TaskExamples`)."""


def write_examples(tables: Path, suite: Suite, out: Path, *, retrieve: Retrieve) -> ExamplesIndex:
    """Write ``<task>.parquet`` for every task whose data is present, ``items/<name>.parquet`` of those that rank the
    items of a catalogue, and ``examples.json``.

    Args:
        tables: folder written by `polymart.data.prepare.prepare_tables`.
        suite: tasks, splits, limits and seed.
        out: folder of the examples, replaced whole when everything succeeded.
        retrieve: the point-in-time join; called only for tasks with a feature service.

    Raises:
        TableError: no task has data, rows out differ from rows in, or an example table breaks a rule of
            `polymart.data.example_checks`.
        LabelError: a label stands outside its label map.
    """
    info = read_json(Path(tables) / "labels" / "labels.json")
    skipped = {task.name: skip_reason(task) for task in suite.tasks if not _label_file(tables, task).is_file()}
    present = [task for task in suite.tasks if task.name not in skipped]
    if not present:
        raise TableError(
            f"no task of suite {suite.name!r} has a label table in {tables}", remedy="; ".join(skipped.values())
        )
    written = {}
    with atomic_folder(out) as folder:
        for task in present:
            rows = build_label_rows(tables, task, suite.seed)
            joined = rows if task.feature_service is None else retrieve(task.feature_service, rows)
            counts = {**rows.attrs, "newest_features": joined.attrs.pop("newest_features", {})}
            frame = finish_examples(joined, task, info[task.source], _num_items(tables, task), expected=rows)
            written[task.name] = _write_task(folder, frame, task, info[task.source], counts)
        digests = {name: examples.digest for name, examples in written.items()}
        for items in sorted({task.items for task in present if task.items}):
            digests[f"items/{items}"] = copy_items(tables, items, folder)
        digest = digest_text("\n".join(f"{name} {digests[name]}" for name in sorted(digests)))
        index = ExamplesIndex(tasks=written, skipped=skipped, digest=digest)
        write_json(folder / "examples.json", index.model_dump(mode="json"))
    return index


def build_label_rows(tables: Path, task: Task, seed: int) -> pd.DataFrame:
    """The label rows of a task with ``split``; purged rows are left out, the limits are applied.

    Returns:
        The columns of ``labels/<source>.parquet`` plus ``split``; ``attrs`` holds ``purged`` (rows) and
        ``available`` (split -> rows before the limits).

    Raises:
        TableError: the label table is absent, or has no cluster column or no split.
    """
    if not _label_file(tables, task).is_file():
        raise TableError(f"task {task.name!r}: {_label_file(tables, task)} is absent", remedy=skip_reason(task))
    frame = pd.read_parquet(_label_file(tables, task))
    if task.cluster not in frame:
        raise TableError(
            f"task {task.name!r}: its label table has no cluster column {task.cluster!r}",
            remedy=f"use one of: {', '.join(frame.columns)}",
        )
    if task.split is not None:
        frame["split"] = assign_split(frame["event_timestamp"], frame["label_end"], task.split)
    elif "split" not in frame:
        raise TableError(
            f"task {task.name!r}: source {task.source!r} brings no split of its own",
            remedy="give the task a split with val_from and test_from",
        )
    kept = frame[frame.split != "purged"]
    available = {name: int(count) for name, count in kept.split.value_counts().items()}
    limited = limit_rows(kept, task.limits, seed).reset_index(drop=True)
    limited.attrs = {"purged": len(frame) - len(kept), "available": {name: available.get(name, 0) for name in SPLITS}}
    return limited


def finish_examples(
    joined: pd.DataFrame,
    task: Task,
    labels_info: dict[str, object],
    num_items: int = 0,
    *,
    expected: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Check a joined table and return it, ordered as the label rows were.

    Args:
        joined: label rows with features.
        task: the task.
        labels_info: the source's entry of ``labels.json``.
        num_items: rows of the task's item table.
        expected: the label rows that went into the join.

    Raises:
        TableError: rows were lost, added or reordered by the join, or a rule of `check_examples` is broken.
        LabelError: a label stands outside its label map.
    """
    if expected is not None and not joined["example_id"].reset_index(drop=True).equals(expected["example_id"]):
        raise TableError(
            f"task {task.name!r}: {len(expected)} label rows went into the feature join, {len(joined)} came back "
            "or their order changed",
            remedy="use the duckdb offline engine of feature_repo; other engines lose rows",
        )
    if labels_info.get("items") != task.items:
        raise TableError(
            f"task {task.name!r}: its labels are rows of the item table {labels_info.get('items')!r}, "
            f"the suite names {task.items!r}",
            remedy="correct the task's items",
        )
    labels = labels_info["labels"]
    check_examples(joined, task, labels if isinstance(labels, list) else None, num_items)
    return joined.reset_index(drop=True)


def skip_reason(task: Task) -> str:
    """One line: why a task without a label table is left out, and how to get its data."""
    if task.table is not None:
        return f"{task.name} is left out, a file of its table is absent: {how_to_bring(task.table)}"
    source = next((key for key, names in TABLES_OF.items() if f"labels/{task.source}" in names), None)
    known = sorted(name.removeprefix("labels/") for names in TABLES_OF.values() for name in names if "labels/" in name)
    how = provenance(source).get if source else f"no source makes these labels; known are {', '.join(known)}"
    return f"{task.name} is left out, its data ({source or task.source}) is absent: {how}"


def _num_items(tables: Path, task: Task) -> int:
    return len(read_items(tables, task.items)) if task.items else 0


def _label_file(tables: Path, task: Task) -> Path:
    return Path(tables) / "labels" / f"{task.source}.parquet"


def _write_task(
    folder: Path, frame: pd.DataFrame, task: Task, info: dict[str, object], attrs: Mapping[Any, object]
) -> TaskExamples:
    path = folder / f"{task.name}.parquet"
    write_table(path, pa.Table.from_pandas(frame, preserve_index=False))
    groups = frame.groupby("split")
    return TaskExamples.model_validate(
        {
            "kind": task.kind,
            "source": task.source,
            **attrs,
            **info,
            "labels": info["labels"] if task.kind in NAMED else None,
            "digest": digest_file(path),
            "columns": {field.name: str(field.type) for field in pq.read_schema(path)},
            "rows": {name: int(groups.size().get(name, 0)) for name in SPLITS},
            "clusters": {name: int(groups[task.cluster].nunique().get(name, 0)) for name in SPLITS},
        }
    )
