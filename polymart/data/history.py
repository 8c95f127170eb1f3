"""What a household bought, how often and how long ago: aligned lists per household after each basket.

For category c at a row's time t, over the household's baskets b that held c:
``count`` = number of b; ``decayed`` = sum of 0.5 ** (days(t - t_b) / 28); ``gap`` = baskets since the last b
(0 = in the newest). Each household is one small matrix (baskets x categories), so that all its rows come from
cumulative sums instead of one query per row.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa

from polymart.data.features import RECENT_DAYS

MAX_NAMES = 12
"""Categories named in ``history_text``."""

BOUGHT = """
SELECT household_id, basket_id, event_timestamp, unnest(category_ids) AS category_id
FROM baskets ORDER BY household_id, event_timestamp, basket_id, category_id
"""
_US_PER_DAY = 86_400_000_000

Block = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]


def household_history(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per household after each basket.

    Columns: history_text (names of the most recent distinct categories, newest first, at most 12), category_ids
    (int64, ascending), category_count, category_decayed, category_gap (float32, aligned with category_ids).
    """
    names = np.array([row[0] for row in con.execute("SELECT name FROM categories ORDER BY category_id").fetchall()])
    bought = con.execute(BOUGHT).fetchnumpy()
    owners, baskets, categories = (np.asarray(bought[name]) for name in ("household_id", "basket_id", "category_id"))
    times = np.asarray(bought["event_timestamp"]).astype("datetime64[us]").astype(np.int64)
    households, starts = np.unique(owners, return_index=True)
    stops = np.append(starts[1:], len(owners))
    blocks = [_household(times[a:b], baskets[a:b], categories[a:b], names) for a, b in zip(starts, stops, strict=True)]
    return _as_table(households, blocks)


def _household(times: np.ndarray, baskets: np.ndarray, categories: np.ndarray, names: np.ndarray) -> Block:
    """Times, list lengths, ids, counts, decayed, gaps and texts of one household's rows."""
    new_basket = np.append(True, baskets[1:] != baskets[:-1])
    basket_BC = np.cumsum(new_basket) - 1
    times_B = times[new_basket]
    ids_C, column = np.unique(categories, return_inverse=True)
    held_BC = np.zeros((len(times_B), len(ids_C)), dtype=bool)
    held_BC[basket_BC, column] = True
    count_BC = np.cumsum(held_BC, axis=0)
    decayed_BC = _decayed(held_BC, times_B)
    index_B = np.arange(len(times_B))[:, None]
    gap_BC = index_B - np.maximum.accumulate(np.where(held_BC, index_B, -1), axis=0)
    # Two baskets in the same second are one moment: only its last state is a row.
    rows = np.flatnonzero(np.append(times_B[1:] != times_B[:-1], True))
    seen = count_BC[rows] > 0
    _, columns = np.nonzero(seen)
    texts = list(_texts(seen, gap_BC[rows], count_BC[rows], names[ids_C]))
    return (
        times_B[rows],
        seen.sum(axis=1),
        ids_C[columns],
        count_BC[rows][seen],
        decayed_BC[rows][seen],
        gap_BC[rows][seen],
        texts,
    )


def _decayed(held_BC: np.ndarray, times_B: np.ndarray) -> np.ndarray:
    """sum_b 2^(t_b/h) / 2^(t/h): growing weights make the recursion one cumulative sum (finite for 70 years)."""
    growth_B = 2.0 ** ((times_B - times_B[0]) / _US_PER_DAY / RECENT_DAYS)
    return np.cumsum(held_BC * growth_B[:, None], axis=0) / growth_B[:, None]


def _texts(seen: np.ndarray, gap: np.ndarray, count: np.ndarray, names: np.ndarray) -> Iterator[str]:
    """Newest first; within a basket the more often bought first, then by category id."""
    rank = np.where(seen, gap * (count.max() + 1) - count, np.iinfo(np.int64).max)
    order = np.argsort(rank, axis=1, kind="stable")[:, :MAX_NAMES]
    for row, length in zip(names[order], np.minimum(seen.sum(axis=1), MAX_NAMES), strict=True):
        yield ", ".join(row[:length])


def _as_table(households: np.ndarray, blocks: list[Block]) -> pa.Table:
    times, lengths, ids, counts, decayed, gaps = (np.concatenate([block[i] for block in blocks]) for i in range(6))
    stamps = pa.array(times.astype("datetime64[us]"))
    offsets = pa.array(np.append(0, np.cumsum(lengths)).astype(np.int32))

    def lists(values: np.ndarray, kind: pa.DataType) -> pa.Array:
        return pa.ListArray.from_arrays(offsets, pa.array(values.astype(kind.to_pandas_dtype()), kind))

    return pa.table(
        {
            "household_id": pa.array(np.repeat(households, [len(block[0]) for block in blocks]), pa.int64()),
            "event_timestamp": stamps,
            "created_timestamp": stamps,
            "history_text": pa.array([text for block in blocks for text in block[6]], pa.string()),
            "category_ids": lists(ids, pa.int64()),
            "category_count": lists(counts, pa.float32()),
            "category_decayed": lists(decayed, pa.float32()),
            "category_gap": lists(gaps, pa.float32()),
        }
    )
