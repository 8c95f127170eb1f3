"""DuckDB connections, the record of applied rules, and parquet files in the one form that all rooms read."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polymart.errors import TableError
from polymart.files import atomic_path

TIME_ZONE = "America/New_York"
"""The shop's clock: days, weeks and campaign dates are its calendar; timestamps in files are naive UTC."""

Wanted = Collection[str] | None
"""Names of label tables; None for all."""
LabelInfo = dict[str, dict[str, object]]
"""Label table -> ``labels`` (its label map, None where labels are no names) and, for positions, ``items``."""

_MACROS = f"""
CREATE MACRO local_time(utc) AS (utc AT TIME ZONE 'UTC') AT TIME ZONE '{TIME_ZONE}';
CREATE MACRO utc_midnight(day) AS (CAST(day AS TIMESTAMP) AT TIME ZONE '{TIME_ZONE}') AT TIME ZONE 'UTC';
"""


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with bounded memory, two threads and the macros ``local_time`` and ``utc_midnight``."""
    # what does not fit into memory: DuckDB's own choice is the working folder, where perhaps nobody may write
    spill = tempfile.gettempdir()
    con = duckdb.connect(config={"memory_limit": "3GB", "threads": 2, "temp_directory": spill})
    con.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    con.execute(_MACROS)
    return con


def count_rows(con: duckdb.DuckDBPyConnection, table: str, where: str = "true") -> int:
    """Rows of ``table`` (a name of ours, never a user's text) that satisfy ``where``."""
    row = con.execute(f"SELECT count(*) FILTER (WHERE {where}) FROM {table}").fetchall()[0]  # noqa: S608
    return int(row[0])


@dataclass
class Rules:
    """What was dropped or changed, and how many rows it touched."""

    entries: list[dict[str, object]] = field(default_factory=list)

    def add(self, table: str, rule: str, before: int, after: int, *, changed: int = 0) -> None:
        """Record one rule; ``changed`` counts rows that stay with another value."""
        entry: dict[str, object] = {"table": table, "rule": rule, "rows_before": before, "rows_after": after}
        self.entries.append({**entry, "rows_changed": changed} if changed else entry)

    def keep(self, con: duckdb.DuckDBPyConnection, table: str, kept: list[tuple[str, str]]) -> None:
        """Drop from ``table`` the rows that break a condition, and record each rule in the order given.

        Args:
            con: the connection that holds ``table``.
            table: name of the table; replaced.
            kept: pairs of the rule in words and the SQL condition of the rows that stay.
        """
        conditions: list[str] = []
        before = count_rows(con, table)
        for rule, condition in kept:
            conditions.append(f"coalesce({condition}, false)")
            after = count_rows(con, table, " AND ".join(conditions))
            self.add(table, rule, before, after)
            before = after
        con.execute(f"CREATE OR REPLACE TABLE {table} AS FROM {table} WHERE {' AND '.join(conditions)}")


def source_file(folder: Path, name: str, key: str) -> str:
    """The path of a raw file, as text for DuckDB.

    Raises:
        TableError: the source's folder holds no such file.
    """
    path = Path(folder) / name
    if not path.is_file():
        raise TableError(
            f"source {key}: file {name} is missing in {folder}",
            remedy="fetch the archive again, or give a folder that holds the files named in docs/data.md",
        )
    return str(path)


def query_table(con: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """The result of a query as an Arrow table."""
    return con.sql(sql).to_arrow_table()


def write_table(path: Path, table: pa.Table) -> None:
    """Write parquet as every room expects it: microseconds, zstd, atomically; the same rows give the same bytes.

    Raises:
        StorageError: the disk refuses.
    """
    with atomic_path(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata(None),
            temporary,
            compression="zstd",
            coerce_timestamps="us",
            allow_truncated_timestamps=True,
            row_group_size=131_072,
        )


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a pandas frame as `write_table` does, without its index.

    Raises:
        StorageError: the disk refuses.
    """
    write_table(path, pa.Table.from_pandas(frame, preserve_index=False))


def unit_hash(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts alone: the same on every machine, forever."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2**56
