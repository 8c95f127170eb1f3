"""Profiles of a table's rows, in one pass by DuckDB over files of any size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.profile.moments import Moments
from monitoring.profile.numbers import Numbers
from monitoring.profile.profile import Column, Profile
from monitoring.profile.source import Source, batches
from monitoring.profile.tally import Tally, digests

MAX_NAMES = 10_000
"""Categories kept by name: a column with more is an identifier."""
MAX_WORDS = 200_000
MAX_GROUPS = 256
"""Event times and clusters kept, enough to know the size and number of groups within about 6 %."""
_MOST_PARTS = 16
TEXT_LENGTH, TEXT_WORDS, TEXT_UNSEEN = "text_length", "text_words", "text_unseen_share"


def profile_rows(source: Source, vocabulary: frozenset[str] | None = None) -> Profile:
    """The profile of all rows of a source.

    Args:
        source: the rows.
        vocabulary: known words of the text column.

    Raises:
        MonitoringError: the table cannot be read, or lacks a column.
    """
    parts: list[Profile] = []
    for batch in batches(source):
        _add(parts, _profile(batch, source, vocabulary))
    return _merged(parts, source, vocabulary)


def profile_windows(
    source: Source, windows: Sequence[tuple[datetime, datetime]], vocabulary: frozenset[str] | None = None
) -> list[Profile]:
    """The profile of each window of event time, all in one pass.

    Args:
        source: the rows; it has a ``time``.
        windows: ``[start, end)`` in naive UTC, ascending, not overlapping.
        vocabulary: known words of the text column.

    Raises:
        MonitoringError: the table cannot be read, or lacks a column.
    """
    starts, ends = (np.array([_epoch_us(window[i]) for window in windows], dtype=np.int64) for i in (0, 1))
    found: list[list[Profile]] = [[] for _ in windows]
    for batch in batches(source, f"time >= {starts.min()} AND time < {ends.max()}") if windows else ():
        times = batch["time"].to_numpy(zero_copy_only=False)
        number = np.searchsorted(starts, times, side="right") - 1
        for i in np.unique(number[times < ends[number]]):
            inside = (number == i) & (times < ends[i])
            rows = batch if inside.all() else batch.filter(pa.array(inside))
            _add(found[i], _profile(rows, source, vocabulary))
    return [_merged(parts, source, vocabulary) for parts in found]


def _add(parts: list[Profile], new: Profile) -> None:
    """Append a part, and join what has gathered now and then: memory must not grow with the rows."""
    parts.append(new)
    if len(parts) > _MOST_PARTS:
        parts[:] = [parts[0].merge(*parts[1:])]


def _merged(parts: list[Profile], source: Source, vocabulary: frozenset[str] | None) -> Profile:
    if not parts:
        return _profile(_no_rows(source), source, vocabulary)
    return parts[0].merge(*parts[1:]) if len(parts) > 1 else parts[0]


def _no_rows(source: Source) -> pa.RecordBatch:
    types = {"n:" + name: pa.float64() for name in source.numeric} | {"time": pa.int64()}
    types |= {"v:" + name: pa.list_(pa.float64()) for name in source.vectors}
    types |= {name: pa.string() for name in (*("c:" + name for name in source.categorical), "text", "cluster")}
    return pa.RecordBatch.from_pylist([], schema=pa.schema(list(types.items())))


class _Groups:
    """Event times or clusters of a batch, counted again for the known rows of each column."""

    def __init__(self, values: pa.Array) -> None:
        coded = values.cast(pa.int64() if pa.types.is_integer(values.type) else pa.string()).dictionary_encode()
        self._digests = digests(coded.dictionary.to_numpy(zero_copy_only=False))
        self._codes = coded.indices.fill_null(len(self._digests)).to_numpy(zero_copy_only=False)
        self.everything = self.among(slice(None))

    def among(self, rows: slice | np.ndarray) -> Tally:
        counts = np.bincount(self._codes[rows], minlength=len(self._digests))[: len(self._digests)]
        there = np.flatnonzero(counts)
        return Tally.of_digests(self._digests[there], counts[there], MAX_GROUPS)


def values_by_row(
    batch: pa.RecordBatch, source: Source, vocabulary: frozenset[str] | None
) -> dict[str, np.ndarray | pa.Array]:
    """Each column's value of every row: numbers (nan where missing) as floats, names (null where missing) as texts."""
    values: dict[str, np.ndarray | pa.Array] = {
        name: batch["n:" + name].to_numpy(zero_copy_only=False) for name in source.numeric
    }
    values |= {name: batch["c:" + name] for name in source.categorical}
    if source.text:
        coded = batch["text"].dictionary_encode()
        split = [_split(text) for text in coded.dictionary.to_pylist()]  # each distinct text is read once
        codes = coded.indices.fill_null(len(split)).to_numpy(zero_copy_only=False)
        values[TEXT_LENGTH] = np.array([*map(len, split), np.nan])[codes]
        if vocabulary is not None:
            values[TEXT_UNSEEN] = np.array([*(_unseen_share(words, vocabulary) for words in split), np.nan])[codes]
    return values


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

    columns = {
        name: column(np.isfinite(values), Numbers.of(values))
        if isinstance(values, np.ndarray)
        else column(_known(values), names=_tally(values))
        for name, values in values_by_row(batch, source, vocabulary).items()
    }
    if source.text:
        columns[TEXT_WORDS] = column(_known(batch["text"]), names=_tally_words(batch["text"]))
    for name in source.vectors:
        columns[name] = replace(column(_known(batch["v:" + name])), vectors=_moments(batch["v:" + name]))
    return Profile(batch.num_rows, columns)


def _known(values: pa.Array) -> np.ndarray:
    return values.is_valid().to_numpy(zero_copy_only=False)


def _tally(values: pa.Array) -> Tally:
    counted = pc.value_counts(values.drop_null())
    names = counted.field("values").to_numpy(zero_copy_only=False)
    return Tally.of(names, counted.field("counts").to_numpy(), MAX_NAMES)


def _moments(vectors: pa.Array) -> Moments | None:
    known = vectors.drop_null()
    return Moments.of(known.flatten().to_numpy().reshape(len(known), -1)) if len(known) else None


def _tally_words(texts: pa.Array) -> Tally:
    """Every word as often as it comes."""
    seen: Counter[str] = Counter()
    for counted in pc.value_counts(texts.drop_null()).to_pylist():
        for word in _split(counted["values"]):
            seen[word] += counted["counts"]
    return Tally.of(np.array(list(seen), dtype=object), list(seen.values()), MAX_WORDS)


def _split(text: str) -> list[str]:
    return text.lower().split()


def _unseen_share(words: list[str], vocabulary: frozenset[str]) -> float:
    return sum(word not in vocabulary for word in words) / max(1, len(words))


def _epoch_us(instant: datetime) -> int:
    return int(instant.replace(tzinfo=UTC).timestamp() * 1_000_000)
