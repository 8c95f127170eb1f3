"""Tables of any size for `bench.monitoring`, and how monitoring reads them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.profile import Profile, Source
from monitoring.reference import Reference
from monitoring.schema import ColumnKind, WindowReport
from monitoring.window_report import compare_profiles

ROWS_AT_ONCE = 100_000
NAMES = np.array([f"name {i:02}" for i in range(40)])


def write_tables(folder: Path, num_rows: int, num_columns: int) -> None:
    """``reference.parquet`` and ``current.parquet``; every fifth column is categorical, one column in ten has moved."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, side in enumerate(("reference", "current")):
        random = np.random.default_rng(seed)
        writer = None
        for start in range(0, num_rows, ROWS_AT_ONCE):
            part = _rows(random, min(ROWS_AT_ONCE, num_rows - start), num_columns, moved=side == "current")
            writer = writer or pq.ParquetWriter(folder / f"{side}.parquet", part.schema)
            writer.write_table(part)
        assert writer is not None
        writer.close()


def _rows(random: np.random.Generator, num_rows: int, num_columns: int, *, moved: bool) -> pa.Table:
    seconds = random.integers(0, 14 * 86_400, num_rows)
    columns = {
        "event_timestamp": (np.datetime64("2026-01-01", "us") + seconds * np.timedelta64(1_000_000, "us")),
        "household_id": random.integers(0, 2_500, num_rows),
    }
    for i in range(num_columns):
        shift = 0.6 if moved and i % 10 == 0 else 0.0
        columns[f"column_{i:03}"] = _values(random, i % 5, num_rows, shift)
    return pa.table(columns)


def _values(random: np.random.Generator, kind: int, num_rows: int, shift: float) -> np.ndarray:
    if kind == 0:
        return random.lognormal(2 + shift, 0.8, num_rows).round(2)
    if kind == 1:
        return random.normal(shift, 1, num_rows)
    if kind == 2:
        return random.poisson(4, num_rows).astype(float)
    if kind == 3:
        return np.where(random.random(num_rows) < 0.6, 0.0, random.exponential(30, num_rows))
    return NAMES[np.minimum(random.geometric(0.1, num_rows), len(NAMES)) - 1]


def kinds(table: Path) -> dict[str, ColumnKind]:
    """The watched columns with their kind."""
    schema = pq.read_schema(table)
    watched = [field for field in schema if field.name.startswith("column_")]
    return {field.name: "categorical" if pa.types.is_string(field.type) else "numeric" for field in watched}


def source(table: Path) -> Source:
    """A table as monitoring profiles it, event times and clusters included."""
    found = kinds(table)
    return Source(
        table,
        numeric=[name for name, kind in found.items() if kind == "numeric"],
        categorical=[name for name, kind in found.items() if kind == "categorical"],
        cluster="household_id",
    )


def report_of(reference: Profile, current: Profile, watched: dict[str, ColumnKind]) -> WindowReport:
    """The window's report: quality checks, PSI and KS of every column with their thresholds."""
    columns, findings = compare_profiles(Reference(reference, {}, {}, 0.0), current, watched)
    return WindowReport(
        start=datetime(2026, 1, 1), end=datetime(2026, 1, 15), rows=current.rows, columns=columns,
        quality=tuple(findings),
    )  # fmt: skip
