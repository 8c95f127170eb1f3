"""Windows of event time, cut from the written example and prediction tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polymart.config import Task
from polymart.errors import MonitoringError

REFERENCE_SPLITS = {"examples": ("train", "val"), "predictions": ("val",)}
"""Inputs are compared with what was learned from; predictions with those on rows the model never saw."""


@dataclass(frozen=True)
class Window:
    """Rows whose event time lies in ``[start, end)``.

    Attributes:
        start: first instant, naive UTC.
        end: first instant after the window, naive UTC.
        rows: the rows; possibly none.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    rows: pd.DataFrame


@dataclass(frozen=True)
class Sides:
    """A table split into what current rows are compared with, and the current rows."""

    reference: pd.DataFrame
    current: pd.DataFrame
    undated: int
    """Current rows without event time; they fall in no window."""


def read_table(path: Path, required: list[str], optional: list[str]) -> pd.DataFrame:
    """Read the named columns of a parquet table; optional columns that are absent stay absent.

    Raises:
        MonitoringError: the file is absent or not parquet, or a required column is missing.
    """
    try:
        names = pq.read_schema(path).names
        missing = [name for name in required if name not in names]
        if not missing:
            wanted = dict.fromkeys([*required, *(name for name in optional if name in names)])
            return pd.read_parquet(path, columns=list(wanted))
    except (OSError, pa.ArrowException) as error:
        raise MonitoringError(
            f"{path} cannot be read as a parquet table: {error}", remedy="run the step that writes it again"
        ) from error
    raise MonitoringError(
        f"{path} must have the columns {', '.join(required)}; found none called {', '.join(missing)}",
        remedy="run the step that writes this table again with the present version of polymart",
    )


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
        raise MonitoringError(
            f"{name}: event_timestamp must be a timestamp in naive UTC, found {times.dtype}",
            remedy="write it as a timestamp without time zone, in UTC",
        )
    current = table[table["split"] == "test"].assign(event_timestamp=pd.to_datetime(times))
    dated = current[current["event_timestamp"].notna()]
    return Sides(table[table["split"].isin(reference_splits)], dated, len(current) - len(dated))


def cut_windows(rows: pd.DataFrame, origin: pd.Timestamp, window_days: int, *, until: pd.Timestamp) -> list[Window]:
    """Consecutive windows from ``origin`` to the one that holds ``until``; at least one, empty ones included.

    Args:
        rows: dated rows; those before ``origin`` fall in no window.
        origin: start of the first window. A fixed date, so that windows keep their bounds as rows arrive.
        window_days: length of a window in days, at least 1.
        until: newest event time to cover.
    """
    step = pd.Timedelta(days=window_days)
    count = max(0, (until - origin) // step) + 1
    number = (rows["event_timestamp"] - origin) // step if len(rows) else pd.Series(dtype="int64", index=rows.index)
    return [Window(origin + i * step, origin + (i + 1) * step, rows[number == i]) for i in range(count)]


def window_origin(task: Task, current: pd.DataFrame) -> pd.Timestamp | None:
    """Where a task's windows begin: the first test day, else the day of the first row; None without either."""
    if task.split is not None:
        return pd.Timestamp(task.split.test_from)
    return current["event_timestamp"].min().normalize() if len(current) else None


def sample_rows(rows: pd.DataFrame, max_rows: int, seed: int) -> pd.DataFrame:
    """At most ``max_rows`` rows, the same ones whatever the order of the table."""
    if len(rows) <= max_rows:
        return rows
    return rows.sort_values("example_id", kind="stable").sample(max_rows, random_state=seed)
