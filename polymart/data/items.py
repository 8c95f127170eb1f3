"""Item tables: the candidates of retrieval tasks, ``items/<name>.parquet`` in tables, examples and checkpoints alike.

Columns: ``item_id`` (string or int64, unique, ascending), ``text``, and whatever else describes an item. A label of a
retrieval task is the *position* of an item: its row number in this table.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from polymart.errors import TableError
from polymart.files import digest_file


def items_path(folder: Path, name: str) -> Path:
    """Where a folder of tables, of examples or of a checkpoint keeps an item table."""
    return Path(folder) / "items" / f"{name}.parquet"


def read_items(folder: Path, name: str) -> pd.DataFrame:
    """Read and check an item table.

    Raises:
        TableError: the table or a column is absent, it has fewer than two items, ids repeat or are not in
            ascending order, or a text is missing.
    """
    path = items_path(folder, name)
    if not path.is_file():
        raise TableError(f"the item table {path} is absent", remedy="run the step that writes this folder again")
    items = pd.read_parquet(path)
    _check_items(items, name)
    return items


def _check_items(items: pd.DataFrame, name: str) -> None:
    absent = [column for column in ("item_id", "text") if column not in items]
    if absent:
        raise TableError(
            f"item table {name!r} lacks the columns {absent}; found {list(items.columns)}",
            remedy="give every item an item_id and a text",
        )
    ids = items["item_id"]
    if len(ids) < 2 or not (ids.is_unique and ids.is_monotonic_increasing):
        raise TableError(
            f"item table {name!r} must hold at least two items, each id once and ascending; found {len(ids)} rows "
            f"with {ids.nunique()} ids",
            remedy="drop repeated items and sort the table by item_id: labels are row numbers of it",
        )
    if items["text"].isna().any():
        raise TableError(
            f"item table {name!r}: {int(items['text'].isna().sum())} items have no text, "
            f"e.g. {ids[items['text'].isna()].iloc[0]}",
            remedy="give every item a text; its identifier or category is better than nothing",
        )


def copy_items(source: Path, name: str, target: Path) -> str:
    """Copy a checked item table from one folder to another and return its digest.

    Raises:
        TableError: see `read_items`.
    """
    read_items(source, name)
    path = items_path(target, name)
    path.parent.mkdir(exist_ok=True)
    shutil.copyfile(items_path(source, name), path)
    return digest_file(path)
