"""A table of the user's own becomes a label table; nothing but the suite's YAML describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from polymart.config import Settings, Table, Task
from polymart.data.example_checks import input_columns
from polymart.data.own_files import FILE_SPLIT, ROW, read_files, require
from polymart.data.own_labels import read_labels
from polymart.data.splits import SPLITS, assign_split
from polymart.data.tables import Rules, unit_hash, write_frame
from polymart.data.texts import one_line
from polymart.errors import TableError
from polymart.files import digest_file

OWN = "own"
"""The source of such a table in ``tables.json``."""
TEST_SHARE, VAL_SHARE = 0.2, 0.1
"""Shares of the groups (or clusters) held out where the table brings no split of its own."""
SPLIT_WORDS = {**{name: name for name in SPLITS}, "dev": "val", "valid": "val", "validation": "val"}


def how_to_bring(table: Table) -> str:
    """One line that says which files a table of the user's own needs, and where."""
    own = [table.file] if isinstance(table.file, str) else list(table.file.values())
    names = ", ".join([*own, *(join.file for join in table.join)])
    return f"its table needs {names}; a relative name lies below the folder POLYMART_EXTRA_DATA"


def write_own_table(
    tables: Path, task: Task, settings: Settings, rules: Rules
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write ``labels/<source>`` of a task with a table; its entries in ``tables.json`` and ``labels.json``."""
    assert task.table is not None, "only tasks with a table are asked for"
    frame, labels = read_own_table(task, task.table, settings, rules)
    path = tables / f"labels/{task.source}.parquet"
    write_frame(path, frame)
    said = {"data_origin": task.table.data_origin, "licence": task.table.licence}
    entry = {"rows": len(frame), "digest": digest_file(path), "source": OWN, **said}
    return entry, {"labels": labels, **said, "note": task.table.note or f"a table of the user's own: {task.table.file}"}


def read_own_table(task: Task, table: Table, settings: Settings, rules: Rules) -> tuple[pd.DataFrame, list[str] | None]:
    """The label table of a task and its label map (none where labels are numbers).

    Rows without a text, a cluster, a label or a time that the task reads are dropped, and so are labels that no
    training row has; every drop is recorded.

    Returns:
        example_id, the task's inputs, label, group, cluster and columns of slices, ``event_timestamp`` and
        ``label_end`` where the table has a time, and ``split`` unless the task splits by time.

    Raises:
        TableError: a file cannot be read, a column is absent or not of its kind, or no row with a label is left.
    """
    raw = read_files(table, settings)
    optional = [name for name in (task.inputs.text_pair, task.inputs.image, task.group) if name]
    slices = [slice_.column for slice_ in task.slices]
    names = [*input_columns(task.inputs), *optional, task.label, task.cluster, *slices]
    require(raw, [name for name in names if name != "example_id"], f"task {task.name!r}")
    frame = _typed(raw, task, list(dict.fromkeys([*names, *table.columns])))
    frame = _complete(frame, task, rules)
    frame["split"] = _split(frame, task)
    frame, labels = read_labels(frame, task, table, rules)
    kept = frame.drop(columns=[FILE_SPLIT, *(["split"] if task.split else [])])
    return kept.reset_index(drop=True), labels


def _typed(raw: pd.DataFrame, task: Task, names: list[str]) -> pd.DataFrame:
    """The columns that the task reads, each in the type of its use."""
    if "example_id" not in raw:
        raw = raw.assign(
            example_id=[f"{split or 'row'}-{row}" for split, row in zip(raw[FILE_SPLIT], raw[ROW], strict=True)]
        )
    extra = [name for name in ("example_id", "event_timestamp", "label_end", "split", FILE_SPLIT) if name in raw]
    frame = raw[list(dict.fromkeys([*extra, *names]))].copy()
    for name in {task.inputs.text, task.inputs.text_pair} - {None}:
        frame[name] = one_line(frame[name].astype("string")).astype(object)
    for name in {"example_id", task.cluster, task.group, *task.inputs.categorical} - {None}:
        frame[name] = frame[name].astype("string").astype(object)
    for name in [*task.inputs.numeric, *([task.inputs.baseline] if task.inputs.baseline else [])]:
        frame[name] = to_number(frame[name], task, name)
    for name in {"event_timestamp", "label_end"} & set(frame):
        frame[name] = _to_time(frame[name], task, name)
    if "event_timestamp" in frame and "label_end" not in frame:
        frame["label_end"] = frame.event_timestamp + pd.Timedelta(seconds=1)
    return frame


def to_number(column: pd.Series, task: Task, name: str) -> pd.Series:
    """Numbers of a column; a missing value stays missing.

    Raises:
        TableError: a value is no finite number.
    """
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    wrong = (numbers.isna() & column.notna()) | np.isinf(numbers)
    if wrong.any():
        raise TableError(
            f"task {task.name!r}: column {name!r} must hold finite numbers, found {column[wrong].iloc[0]!r} "
            f"in row {column.index[wrong][0] + 1} and in {int(wrong.sum())} rows in all",
            remedy="correct those values, leave them empty, or read the column as categorical",
        )
    return numbers


def _to_time(column: pd.Series, task: Task, name: str) -> pd.Series:
    try:
        times = pd.to_datetime(column, utc=True, format="ISO8601") if column.dtype == object else column
        times = pd.to_datetime(times, utc=True)
    except ValueError as error:
        raise TableError(
            f"task {task.name!r}: column {name!r} must hold times: {error}",
            remedy="write them as 2017-12-31 or 2017-12-31 23:59:00, in UTC or with an offset",
        ) from error
    return times.dt.tz_localize(None).astype("datetime64[us]")


def _complete(frame: pd.DataFrame, task: Task, rules: Rules) -> pd.DataFrame:
    inputs = (task.inputs.text, task.inputs.text_pair, task.inputs.image)
    needed = [name for name in (*inputs, task.group, task.cluster) if name]
    needed += [name for name in ("event_timestamp",) if name in frame]
    kept = frame.dropna(subset=needed)
    for name in (task.inputs.text, task.inputs.text_pair):
        kept = kept[kept[name].ne("")] if name else kept
    rules.add(f"labels/{task.source}", f"{', '.join(needed)}: never missing", len(frame), len(kept))
    if kept.empty:
        raise TableError(
            f"task {task.name!r}: each of the {len(frame)} rows lacks one of {', '.join(needed)}",
            remedy="look at these columns of the file, or name others in the suite",
        )
    return kept.copy()


def _split(frame: pd.DataFrame, task: Task) -> pd.Series:
    """The split of each row: by time, by file, by the column ``split``, else by a stable hash of the group."""
    place = _places(frame[task.group or task.cluster], task)
    if task.split is not None:
        require(frame, ["event_timestamp"], f"task {task.name!r}, which splits by time,")
        return assign_split(frame.event_timestamp, frame.label_end, task.split)
    if frame[FILE_SPLIT].ne("").all():
        split = frame[FILE_SPLIT].astype(object)
    elif "split" in frame:
        split = _known_splits(frame["split"], task)
    else:
        split = pd.Series("train", index=frame.index).mask(place < TEST_SHARE + VAL_SHARE, "val")
        return split.mask(place < TEST_SHARE, "test")
    if not split.eq("val").any():  # published without validation rows: a tenth of the training groups
        split = split.mask(split.eq("train") & place.lt(VAL_SHARE), "val")
    return split


def _places(groups: pd.Series, task: Task) -> pd.Series:
    """The place of each row's group, in [0, 1), among all groups in the order of a stable hash."""
    order = sorted(groups.unique(), key=lambda group: unit_hash(task.source, group))
    return groups.map({group: number / len(order) for number, group in enumerate(order)})


def _known_splits(column: pd.Series, task: Task) -> pd.Series:
    split = column.astype("string").str.lower().map(SPLIT_WORDS)
    if split.isna().any():
        raise TableError(
            f"task {task.name!r}: the column split must hold {', '.join(SPLIT_WORDS)}; "
            f"found {column[split.isna()].iloc[0]!r} in {int(split.isna().sum())} rows",
            remedy="correct the column, or give it another name to have rows split by a hash",
        )
    return split.astype(object)
