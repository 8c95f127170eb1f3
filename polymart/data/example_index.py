"""``examples.json`` and the example tables, as training, evaluation and monitoring read them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pydantic import AwareDatetime, BaseModel, ConfigDict

from polymart.config import Kind, Origin, Task
from polymart.data.items import items_path
from polymart.errors import TableError
from polymart.files import canonical_json, digest_file, digest_text, read_json


class TaskExamples(BaseModel):
    """What ``examples.json`` says of one example table."""

    model_config = ConfigDict(frozen=True)
    kind: Kind
    source: str
    columns: dict[str, str]
    """Column -> parquet type."""
    rows: dict[str, int]
    """Split -> rows."""
    clusters: dict[str, int]
    """Split -> distinct values of the cluster column."""
    available: dict[str, int]
    """Split -> rows before the suite's limits."""
    purged: int
    """Label rows whose window crosses a border of the split."""
    newest_features: dict[str, AwareDatetime] = {}
    """Feature table -> time of its newest row that was known at the newest decision; empty without a feature join."""
    labels: list[str] | None
    """The label map, by index; none where labels are numbers or items."""
    items: str | None = None
    """The item table ``items/<items>.parquet`` whose row numbers are the labels of a retrieval task."""
    data_origin: Origin
    licence: str
    note: str
    digest: str


class ExamplesIndex(BaseModel):
    """``examples.json``: the example tables of a suite, and what was left out."""

    model_config = ConfigDict(frozen=True)
    version: int = 1
    tasks: dict[str, TaskExamples]
    skipped: dict[str, str]
    """Task -> one line: why it was left out and how to get its data."""
    digest: str


def read_examples_index(examples: Path) -> ExamplesIndex:
    """Read ``examples.json``.

    Raises:
        StorageError: the file is absent or not JSON.
    """
    return ExamplesIndex.model_validate(read_json(Path(examples) / "examples.json"))


def read_examples(examples: Path, task: str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read one example table; list columns arrive as NumPy arrays.

    Raises:
        TableError: the folder holds no such table.
    """
    path = Path(examples) / f"{task}.parquet"
    if not path.is_file():
        raise TableError(f"{examples} holds no example table of task {task!r}", remedy="run retrieve_features again")
    return pd.read_parquet(path, columns=columns)


def task_digest(examples: Path, task: Task) -> str:
    """``sha256:<hex>`` of one task's examples: rows, label map and items.

    Raises:
        StorageError: ``examples.json`` is absent or not JSON.
    """
    about = read_examples_index(examples).tasks[task.name]
    items = digest_file(items_path(examples, task.items)) if task.items else ""
    return digest_text(canonical_json([about.digest, about.labels, items]))
