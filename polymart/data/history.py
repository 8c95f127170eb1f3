"""What a household bought, how often and how long ago: aligned lists per household after each basket.

For an id c (a category, a product) at a row's time t, over the household's baskets b that held c:
``count`` = number of b; ``decayed`` = sum of 0.5 ** (days(t - t_b) / 28); ``gap`` = baskets since the last b
(0 = in the newest). Each household is one small matrix (baskets x ids), so that all its rows come from
cumulative sums instead of one query per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from polymart.data.features import RECENT_DAYS

MAX_NAMES = 12
"""Categories named in ``history_text``."""

BOUGHT = """
SELECT household_id, basket_id, event_timestamp, unnest(category_ids) AS id
FROM baskets ORDER BY household_id, event_timestamp, basket_id, id
"""
_US_PER_DAY = 86_400_000_000


class Running(NamedTuple):
    """What one household had bought after each of its moments. Shapes: R rows (moments), C ids it ever bought."""

    times_R: np.ndarray
    ids_C: np.ndarray
    seen_RC: np.ndarray
    """Which ids stand in the row's lists."""
    count_RC: np.ndarray
    decayed_RC: np.ndarray
    gap_RC: np.ndarray

    def lists(self) -> Lists:
        _, columns = np.nonzero(self.seen_RC)
        values = (state[self.seen_RC] for state in (self.count_RC, self.decayed_RC, self.gap_RC))
        return Lists(self.times_R, self.seen_RC.sum(axis=1), self.ids_C[columns], *values)


class Lists(NamedTuple):
    """The lists of one household's rows, one after the other."""

    times: np.ndarray
    lengths: np.ndarray
    ids: np.ndarray
    counts: np.ndarray
    decayed: np.ndarray
    gaps: np.ndarray


def household_history(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per household after each basket.

    Columns: history_text (names of the most recent distinct categories, newest first, at most 12), category_ids
    (int64, ascending), category_count, category_decayed, category_gap (float32, aligned with category_ids).
    """
    names = np.array([row[0] for row in con.execute("SELECT name FROM categories ORDER BY category_id").fetchall()])
    texts: list[str] = []

    def lists(times: np.ndarray, baskets: np.ndarray, ids: np.ndarray) -> Lists:
        state = running_counts(times, baskets, ids)
        texts.extend(_texts(state, names[state.ids_C]))
        return state.lists()

    table = list_columns("category", *purchases(con, BOUGHT, lists))
    return table.add_column(3, "history_text", pa.array(texts, pa.string()))


def purchases(
    con: duckdb.DuckDBPyConnection, query: str, lists: Callable[[np.ndarray, np.ndarray, np.ndarray], Lists]
) -> tuple[np.ndarray, list[Lists]]:
    """The households of a query, ascending, and what ``lists`` makes of each one's times, baskets and ids.

    Args:
        con: the connection that holds the clean tables.
        query: gives household_id, basket_id, event_timestamp, id, distinct and ordered by all of them with the
            time before the basket.
        lists: called for one household at a time; times are microseconds.
    """
    bought = con.execute(query).fetchnumpy()
    owners, baskets, ids = (np.asarray(bought[name]) for name in ("household_id", "basket_id", "id"))
    times = np.asarray(bought["event_timestamp"]).astype("datetime64[us]").astype(np.int64)
    households, starts = np.unique(owners, return_index=True)
    stops = np.append(starts[1:], len(owners))
    return households, [lists(times[a:b], baskets[a:b], ids[a:b]) for a, b in zip(starts, stops, strict=True)]


def running_counts(times: np.ndarray, baskets: np.ndarray, ids: np.ndarray) -> Running:
    """Counts, decayed counts and gaps after each moment of one household, from its purchases in order."""
    new_basket = np.append(True, baskets[1:] != baskets[:-1])
    basket_BC = np.cumsum(new_basket) - 1
    times_B = times[new_basket]
    ids_C, column = np.unique(ids, return_inverse=True)
    held_BC = np.zeros((len(times_B), len(ids_C)), dtype=bool)
    held_BC[basket_BC, column] = True
    count_BC = np.cumsum(held_BC, axis=0)
    decayed_BC = _decayed(held_BC, times_B)
    index_B = np.arange(len(times_B))[:, None]
    gap_BC = index_B - np.maximum.accumulate(np.where(held_BC, index_B, -1), axis=0)
    # Two baskets in the same second are one moment: only its last state is a row.
    rows = np.flatnonzero(np.append(times_B[1:] != times_B[:-1], True))
    count_RC = count_BC[rows]
    return Running(times_B[rows], ids_C, count_RC > 0, count_RC, decayed_BC[rows], gap_BC[rows])


def _decayed(held_BC: np.ndarray, times_B: np.ndarray) -> np.ndarray:
    """sum_b 2^(t_b/h) / 2^(t/h): growing weights make the recursion one cumulative sum (finite for 70 years)."""
    growth_B = 2.0 ** ((times_B - times_B[0]) / _US_PER_DAY / RECENT_DAYS)
    return np.cumsum(held_BC * growth_B[:, None], axis=0) / growth_B[:, None]


def _texts(state: Running, names_C: np.ndarray) -> Iterator[str]:
    """Newest first; within a basket the more often bought first, then by category id."""
    newest = state.gap_RC * (state.count_RC.max() + 1) - state.count_RC
    rank = np.where(state.seen_RC, newest, np.iinfo(np.int64).max)
    order = np.argsort(rank, axis=1, kind="stable")[:, :MAX_NAMES]
    for row, length in zip(names_C[order], np.minimum(state.seen_RC.sum(axis=1), MAX_NAMES), strict=True):
        yield ", ".join(row[:length])


def list_columns(
    prefix: str, households: np.ndarray, blocks: list[Lists], number: pa.DataType | None = None
) -> pa.Table:
    """household_id, the two timestamps, and the list columns ``<prefix>_ids``, ``_count``, ``_decayed``, ``_gap``.

    Args:
        prefix: of the columns' names.
        households: the household of each block.
        blocks: the lists of each household.
        number: type of the numbers that are no ids; float32 if None.
    """
    number = number or pa.float32()
    times, lengths, ids, counts, decayed, gaps = (np.concatenate(part) for part in zip(*blocks, strict=True))
    stamps = pa.array(times.astype("datetime64[us]"))
    offsets = pa.array(np.append(0, np.cumsum(lengths)).astype(np.int32))

    def lists(values: np.ndarray, kind: pa.DataType) -> pa.Array:
        return pa.ListArray.from_arrays(offsets, pa.array(values.astype(kind.to_pandas_dtype()), kind))

    return pa.table(
        {
            "household_id": pa.array(np.repeat(households, [len(block.times) for block in blocks]), pa.int64()),
            "event_timestamp": stamps,
            "created_timestamp": stamps,
            f"{prefix}_ids": lists(ids, pa.int64()),
            f"{prefix}_count": lists(counts, number),
            f"{prefix}_decayed": lists(decayed, number),
            f"{prefix}_gap": lists(gaps, number),
        }
    )
