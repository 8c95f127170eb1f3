"""Windows of event time, cut from the written example and prediction tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polymart.config import Task
from polymart.errors import MonitoringError

REFERENCE_SPLITS = {"examples": ("train", "val"), "predictions": ("val",)}
"""Inputs are compared with what was learned from; predictions with those on rows the model never saw."""


class Window(NamedTuple):
    """Event times from ``start`` on and before ``end``, naive UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Sides:
    """A table split into what current rows are compared with, and the current rows."""

    reference: pd.DataFrame
    current: pd.DataFrame
    undated: int
    """Current rows without event time; they fall in no window."""


def column_names(path: Path, required: list[str]) -> list[str]:
    """Columns of a parquet table.

    Raises:
        MonitoringError: the file is absent or not parquet, a required column is missing, or ``event_timestamp`` is no
            naive timestamp.
    """
    schema = _schema(path, required)
    if "event_timestamp" in schema.names:
        kind = schema.field("event_timestamp").type
        if not (pa.types.is_null(kind) or (pa.types.is_timestamp(kind) and kind.tz is None)):
            raise _not_naive(str(path), kind)
    return schema.names


def _schema(path: Path, required: list[str]) -> pa.Schema:
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise MonitoringError(
            f"{path} cannot be read as a parquet table: {error}", remedy="run the step that writes it again"
        ) from error
    missing = [name for name in required if name not in schema.names]
    if not missing:
        return schema
    raise MonitoringError(
        f"{path} must have the columns {', '.join(required)}; found none called {', '.join(missing)}",
        remedy="run the step that writes this table again with the present version of polymart",
    )


def _not_naive(table: str, found: object) -> MonitoringError:
    return MonitoringError(
        f"{table}: event_timestamp must be a timestamp in naive UTC, found {found}",
        remedy="write it as a timestamp without time zone, in UTC",
    )


def read_table(path: Path, required: list[str], optional: list[str]) -> pd.DataFrame:
    """Read the named columns of a parquet table; optional columns that are absent stay absent.

    Raises:
        MonitoringError: the file is absent or not parquet, or a required column is missing.
    """
    names = _schema(path, required).names
    wanted = dict.fromkeys([*required, *(name for name in optional if name in names)])
    try:
        return pd.read_parquet(path, columns=list(wanted))
    except (OSError, pa.ArrowException) as error:
        raise MonitoringError(
            f"{path} cannot be read as a parquet table: {error}", remedy="run the step that writes it again"
        ) from error


def has_event_time(table: pd.DataFrame) -> bool:
    """Whether any row carries an event time."""
    return "event_timestamp" in table and bool(table["event_timestamp"].notna().any())


def split_sides(table: pd.DataFrame, name: str, reference_splits: tuple[str, ...]) -> Sides:
    """Reference rows (by ``split``) and dated test rows.

    Args:
        table: rows with ``split`` and ``event_timestamp`` (naive UTC).
        name: what the table is called in error messages.
        reference_splits: values of ``split`` that make the reference.

    Raises:
        MonitoringError: the event time is no naive timestamp.
    """
    times = table["event_timestamp"] if "event_timestamp" in table else pd.Series(pd.NaT, index=table.index)
    if times.notna().any() and not pd.api.types.is_datetime64_dtype(times):
        raise _not_naive(name, times.dtype)
    table = table.assign(event_timestamp=pd.to_datetime(times))
    current = table[table["split"] == "test"]
    dated = current[current["event_timestamp"].notna()]
    return Sides(table[table["split"].isin(reference_splits)], dated, len(current) - len(dated))


def cut_windows(origin: datetime, window_days: int, *, until: datetime) -> list[Window]:
    """Consecutive windows from ``origin`` to the one that holds ``until``; at least one, empty ones included.

    Args:
        origin: start of the first window. A fixed date, so that windows keep their bounds as rows arrive.
        window_days: length of a window in days, at least 1.
        until: newest event time to cover.
    """
    step = timedelta(days=window_days)
    count = max(0, (until - origin) // step) + 1
    return [Window(origin + i * step, origin + (i + 1) * step) for i in range(count)]


def window_origin(task: Task, oldest: datetime | None) -> datetime | None:
    """Where a task's windows begin: the first test day, else the day of the oldest row; None without either."""
    if task.split is not None:
        return datetime.combine(task.split.test_from, time())
    return None if oldest is None else datetime.combine(oldest.date(), time())


def sample_rows(rows: pd.DataFrame, max_rows: int, seed: int) -> pd.DataFrame:
    """At most ``max_rows`` rows, the same ones whatever the order of the table."""
    if len(rows) <= max_rows:
        return rows
    return rows.sort_values("example_id", kind="stable").sample(max_rows, random_state=seed)
