"""What is profiled of a table, and how DuckDB reads it: a bounded number of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from polymart.errors import MonitoringError

_ROWS_AT_ONCE = 131_072


@dataclass(frozen=True)
class Source:
    """What is profiled of a table.

    Attributes:
        table: a parquet file, or a pattern of several.
        numeric: columns read as numbers; what is no finite number is missing.
        categorical: columns read as names.
        text: a column of texts. It yields the columns ``text_length`` (words) and ``text_words``, and with a
            vocabulary ``text_unseen_share`` (share of a text's words that are not in it, 0 to 1).
        cluster: column whose equal values make rows repeat each other; empty for none.
        time: column of event times in naive UTC; empty for none.
        id: column that names a row; needed for samples alone.
        vectors: columns of lists of numbers, all equally long, such as the encoder's vectors.
        where: SQL condition on the rows, e.g. ``split = 'val'``.
    """

    table: Path | str
    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    text: str = ""
    cluster: str = ""
    time: str = "event_timestamp"
    id: str = ""
    vectors: Sequence[str] = ()
    where: str = "true"

    def sample(self, most: int) -> Source:
        """At most ``most`` of these rows, the same ones in whatever order the table holds them."""
        table, name = str(self.table).replace("'", "''"), _quoted(self.id)
        ordered = f"SELECT {name} FROM read_parquet('{table}') WHERE {self.where} ORDER BY md5({name}::VARCHAR)"  # noqa: S608
        return replace(self, where=f"({self.where}) AND {name} IN ({ordered} LIMIT {most})")

    @property
    def query(self) -> str:
        """One row per row, every column in the form that is counted."""
        chosen = [f"try_cast({_quoted(name)} AS DOUBLE) AS {_quoted('n:' + name)}" for name in self.numeric]
        chosen += [f"{_quoted(name)}::VARCHAR AS {_quoted('c:' + name)}" for name in self.categorical]
        chosen += [f"{_quoted(name)}::DOUBLE[] AS {_quoted('v:' + name)}" for name in self.vectors]
        chosen += [f'{_quoted(self.text)}::VARCHAR AS "text"'] if self.text else []
        chosen += [f'{_quoted(self.cluster)} AS "cluster"'] if self.cluster else []
        chosen += [f'{_quoted(self.id)}::VARCHAR AS "id"'] if self.id else []
        time = f"epoch_us({_quoted(self.time)}::TIMESTAMP)" if self.time else "NULL::BIGINT"
        return f"SELECT {', '.join([*chosen, f'{time} AS time'])} FROM read_parquet(?) WHERE {self.where}"  # noqa: S608


def batches(source: Source, condition: str = "true") -> Iterator[pa.RecordBatch]:
    """The rows of a source, a bounded number at once.

    Args:
        source: the rows.
        condition: SQL condition on the columns of the source's query.

    Raises:
        MonitoringError: the table cannot be read, or lacks a column.
    """
    return _ask(source, f"SELECT * FROM ({source.query}) WHERE {condition}")  # noqa: S608


def _ask(source: Source, query: str) -> Iterator[pa.RecordBatch]:
    with duckdb.connect() as connection:
        try:
            yield from connection.sql(query, params=[str(source.table)]).to_arrow_reader(_ROWS_AT_ONCE)
        except duckdb.Error as error:
            raise MonitoringError(
                f"{source.table} cannot be profiled: {str(error).splitlines()[0]}",
                remedy="run the step that writes this table again with the present version of polymart",
            ) from error


def longest_silence_s(source: Source) -> float:
    """Longest time between two neighbouring event times; 0 with fewer than two.

    Raises:
        MonitoringError: the table cannot be read, or lacks a column.
    """
    times = f"SELECT DISTINCT time FROM ({source.query}) WHERE time IS NOT NULL"  # noqa: S608
    gaps = f"SELECT time - lag(time) OVER (ORDER BY time) AS gap FROM ({times})"  # noqa: S608
    (rows,) = _ask(source, f"SELECT coalesce(max(gap), 0)::DOUBLE AS gap FROM ({gaps})")  # noqa: S608
    return float(rows["gap"][0].as_py()) / 1e6


class EventSpan(NamedTuple):
    """First and last event time, None without any, and the number of rows that have none."""

    oldest: datetime | None
    newest: datetime | None
    undated: int


def event_span(source: Source) -> EventSpan:
    """The event times of a source.

    Raises:
        MonitoringError: the table cannot be read, or lacks a column.
    """
    ends = "make_timestamp(min(time)) AS oldest, make_timestamp(max(time)) AS newest"
    (rows,) = _ask(source, f"SELECT {ends}, count(*) - count(time) AS undated FROM ({source.query})")  # noqa: S608
    return EventSpan(*(rows[name][0].as_py() for name in EventSpan._fields))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
