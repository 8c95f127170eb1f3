"""Profiles of a table's rows, in one pass by DuckDB over files of any size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.profile.numbers import Numbers
from monitoring.profile.profile import Column, Profile
from monitoring.profile.tally import Tally, digests
from polymart.errors import MonitoringError

MAX_NAMES = 10_000
"""Categories kept by name: a column with more is an identifier."""
MAX_WORDS = 200_000
MAX_GROUPS = 256
"""Event times and clusters kept, enough to know the size and number of groups within about 6 %."""
TEXT_LENGTH, TEXT_WORDS, TEXT_UNSEEN = "text_length", "text_words", "text_unseen_share"
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
        where: SQL condition on the rows, e.g. ``split = 'val'``.
    """

    table: Path | str
    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    text: str = ""
    cluster: str = ""
    time: str = "event_timestamp"
    where: str = "true"

    @property
    def query(self) -> str:
        """One row per row, every column in the form that is counted."""
        chosen = [f"try_cast({_quoted(name)} AS DOUBLE) AS {_quoted('n:' + name)}" for name in self.numeric]
        chosen += [f"{_quoted(name)}::VARCHAR AS {_quoted('c:' + name)}" for name in self.categorical]
        chosen += [f'{_quoted(self.text)}::VARCHAR AS "text"'] if self.text else []
        chosen += [f'{_quoted(self.cluster)}::VARCHAR AS "cluster"'] if self.cluster else []
        time = f"epoch_us({_quoted(self.time)}::TIMESTAMP)" if self.time else "NULL::BIGINT"
        return f"SELECT {', '.join([*chosen, f'{time} AS time'])} FROM read_parquet(?) WHERE {self.where}"  # noqa: S608


def profile_rows(source: Source, vocabulary: Tally | None = None) -> Profile:
    """The profile of all rows of a source.

    Args:
        source: the rows.
        vocabulary: known words of the text column.

    Raises:
        MonitoringError: the table cannot be read, or lacks a column.
    """
    known = _words(vocabulary)
    parts = [_profile(batch, source, known) for batch in _batches(source, source.query)]
    return _merged(parts, source, known)


def profile_windows(
    source: Source, windows: Sequence[tuple[datetime, datetime]], vocabulary: Tally | None = None
) -> list[Profile]:
    """The profile of each window of event time, all in one pass.

    Args:
        source: the rows; it has a ``time``.
        windows: ``[start, end)`` in naive UTC, ascending, not overlapping.
        vocabulary: known words of the text column.

    Raises:
        MonitoringError: the table cannot be read, or lacks a column.
    """
    known = _words(vocabulary)
    starts, ends = (np.array([_epoch_us(window[i]) for window in windows], dtype=np.int64) for i in (0, 1))
    found: list[list[Profile]] = [[] for _ in windows]
    query = f"SELECT * FROM ({source.query}) WHERE time >= {starts.min()} AND time < {ends.max()}"  # noqa: S608
    for batch in _batches(source, query) if windows else ():
        times = batch["time"].to_numpy(zero_copy_only=False)
        number = np.searchsorted(starts, times, side="right") - 1
        for i in np.unique(number[times < ends[number]]):
            inside = (number == i) & (times < ends[i])
            rows = batch if inside.all() else batch.filter(pa.array(inside))
            found[i].append(_profile(rows, source, known))
    return [_merged(parts, source, known) for parts in found]


def _batches(source: Source, query: str) -> Iterator[pa.RecordBatch]:
    with duckdb.connect() as connection:
        try:
            yield from connection.sql(query, params=[str(source.table)]).to_arrow_reader(_ROWS_AT_ONCE)
        except duckdb.Error as error:
            raise MonitoringError(
                f"{source.table} cannot be profiled: {str(error).splitlines()[0]}",
                remedy="run the step that writes this table again with the present version of polymart",
            ) from error


def _merged(parts: list[Profile], source: Source, vocabulary: frozenset[str] | None) -> Profile:
    if not parts:
        return _profile(_no_rows(source), source, vocabulary)
    return parts[0].merge(*parts[1:]) if len(parts) > 1 else parts[0]


def _no_rows(source: Source) -> pa.RecordBatch:
    types = {"n:" + name: pa.float64() for name in source.numeric} | {"time": pa.int64()}
    types |= {name: pa.string() for name in (*("c:" + name for name in source.categorical), "text", "cluster")}
    return pa.RecordBatch.from_pylist([], schema=pa.schema(list(types.items())))


class _Groups:
    """Event times or clusters of a batch, counted again for the known rows of each column."""

    def __init__(self, values: pa.Array) -> None:
        coded = values.dictionary_encode()
        self._digests = digests(coded.dictionary.to_numpy(zero_copy_only=False))
        self._codes = coded.indices.fill_null(len(self._digests)).to_numpy(zero_copy_only=False)
        self.everything = self.among(slice(None))

    def among(self, rows: slice | np.ndarray) -> Tally:
        counts = np.bincount(self._codes[rows], minlength=len(self._digests))[: len(self._digests)]
        there = np.flatnonzero(counts)
        return Tally.of_digests(self._digests[there], counts[there], MAX_GROUPS)


def _profile(batch: pa.RecordBatch, source: Source, vocabulary: frozenset[str] | None) -> Profile:
    times = _Groups(batch["time"])
    clusters = _Groups(batch["cluster"]) if source.cluster else None

    def column(known: np.ndarray, numbers: Numbers | None = None, names: Tally | None = None) -> Column:
        complete = bool(known.all())
        return Column(
            rows=len(known),
            missing=len(known) - int(known.sum()),
            times=times.everything if complete else times.among(known),
            clusters=None if clusters is None else clusters.everything if complete else clusters.among(known),
            numbers=numbers,
            names=names,
        )

    columns: dict[str, Column] = {}
    for name in source.numeric:
        values = batch["n:" + name].to_numpy(zero_copy_only=False)
        columns[name] = column(np.isfinite(values), Numbers.of(values))
    for name in source.categorical:
        columns[name] = column(_known(batch["c:" + name]), names=_tally(batch["c:" + name]))
    if source.text:
        known, lengths, unseen, words = _read_texts(batch["text"], vocabulary)
        columns[TEXT_LENGTH] = column(known, Numbers.of(lengths))
        columns[TEXT_WORDS] = column(known, names=words)
        if vocabulary is not None:
            columns[TEXT_UNSEEN] = column(known, Numbers.of(unseen))
    return Profile(batch.num_rows, columns)


def _known(values: pa.Array) -> np.ndarray:
    return values.is_valid().to_numpy(zero_copy_only=False)


def _tally(values: pa.Array) -> Tally:
    counted = pc.value_counts(values.drop_null())
    names = counted.field("values").to_numpy(zero_copy_only=False)
    return Tally.of(names, counted.field("counts").to_numpy(), MAX_NAMES)


def _read_texts(texts: pa.Array, vocabulary: frozenset[str] | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, Tally]:
    """Known rows, words per text, share of unseen words per text, and all words. Each distinct text is read once."""
    coded = texts.dictionary_encode()
    split = [text.lower().split() for text in coded.dictionary.to_pylist()]
    known = _known(texts)
    codes = coded.indices.drop_null().to_numpy()
    seen: Counter[str] = Counter()
    for words, times in zip(split, np.bincount(codes, minlength=len(split)).tolist(), strict=True):
        for word in words:
            seen[word] += times
    lengths = np.array([len(words) for words in split], dtype=np.float64)
    shares = np.array([_unseen_share(words, vocabulary or frozenset()) for words in split], dtype=np.float64)
    names, counts = np.array(list(seen), dtype=object), np.array(list(seen.values()), dtype=np.int64)
    return known, lengths[codes], shares[codes], Tally.of(names, counts, MAX_WORDS)


def _unseen_share(words: list[str], vocabulary: frozenset[str]) -> float:
    return sum(word not in vocabulary for word in words) / max(1, len(words))


def _words(vocabulary: Tally | None) -> frozenset[str] | None:
    return None if vocabulary is None else frozenset(vocabulary.names.tolist())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _epoch_us(instant: datetime) -> int:
    return int(instant.replace(tzinfo=UTC).timestamp() * 1_000_000)
