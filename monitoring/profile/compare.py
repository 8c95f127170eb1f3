"""How far a column of one profile lies from the same column of another."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from monitoring.profile.numbers import Ints, Numbers
from monitoring.profile.profile import Column
from monitoring.profile.tally import Tally
from monitoring.psi import psi

NUM_BUCKETS = 10
MAX_CATEGORIES = 20
"""Categories of the reference that have a bucket of their own; the rest share one, so that rare ones add no noise."""
OTHER = "(other)"


@dataclass(frozen=True)
class Distance:
    """How far one column moved.

    Attributes:
        psi: population stability index over the reference's deciles or most frequent categories, 0 or more.
        buckets: their names; numbers ascending, categories by their share in the reference.
        reference: the reference's share of each.
        current: the other side's share of each.
        ks: largest distance of the two distribution functions, 0 to 1; exact where `ks_high` equals it, else never
            too large. None for categories.
        ks_high: what the distance is at most, given that values within a cell are not told apart.
    """

    psi: float
    buckets: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    ks: float | None = None
    ks_high: float | None = None


def distance(reference: Column, current: Column) -> Distance | None:
    """Compare two profiles of one column of numbers or names; None where either has no known value.

    Vectors have no buckets: `Moments.distance` compares them.
    """
    if not reference.known or not current.known:
        return None
    if reference.numbers is not None and current.numbers is not None:
        return distance_of_numbers(reference.numbers, current.numbers)
    if reference.names is not None and current.names is not None:
        return _of_names(reference.names, current.names)
    return None


def observations(column: Column, rho: float) -> int:
    """Independent observations behind a column's known values.

    Rows are divided by the design effect 1 + (m - 1) rho (Kish 1965): m rows per event time, rho the intraclass
    correlation by event time. Rows of one cluster repeat each other, so there are no more of them than clusters.
    """
    independent = int(column.known / (1 + (column.times.typical_count - 1) * rho))
    return min(independent, column.clusters.distinct) if column.clusters is not None else independent


def decile_ends(counts: Ints) -> Ints:
    """Positions at which a bucket ends: where the counts reach the next tenth; ties share one, the last is open."""
    reached = np.cumsum(counts) / counts.sum()
    ends = np.unique(np.searchsorted(reached, np.arange(1, NUM_BUCKETS) / NUM_BUCKETS - 1e-12))
    return ends[ends < len(counts) - 1]


def named_categories(names: Tally) -> Ints:
    """Positions of the categories that have a bucket of their own, most frequent first."""
    return np.lexsort((names.digests, -names.counts))[:MAX_CATEGORIES]


def distance_of_numbers(reference: Numbers, current: Numbers) -> Distance:
    """Compare two counts of numbers, each of at least one; see `Distance`."""
    cells, before, after = _counts_by_cell(reference, current)
    ends = decile_ends(before)
    starts = np.concatenate([[0], ends + 1])
    below, at_most = np.cumsum(before) / before.sum(), np.cumsum(after) / after.sum()
    ks = float(np.abs(below - at_most).max())
    # Within a cell one function may rise fully before the other begins to.
    ahead = np.maximum(np.abs(below - at_most + after / after.sum()), np.abs(at_most - below + before / before.sum()))
    # a cell that holds zeros ends at a number that nobody wants to read, 4e-311
    edges = [high if abs(high) >= sys.float_info.min else 0.0 for high in cells.highs[ends].tolist()]
    names = [f"up to {edge:.4g}" for edge in edges] + [f"above {edges[-1]:.4g}" if edges else "all"]
    sides = [np.add.reduceat(side, starts) for side in (before, after)]
    ks_high = ks if cells.dropped == 0 else max(ks, float(ahead.max()))
    return Distance(psi(*sides), tuple(names), _shares(sides[0]), _shares(sides[1]), ks, ks_high)


def _counts_by_cell(reference: Numbers, current: Numbers) -> tuple[Numbers, Ints, Ints]:
    """The cells that either side occupies, and the counts of both sides over them."""
    dropped = max(reference.dropped, current.dropped)
    sides = [(side.coarser(dropped), side.counts) for side in (reference, current)]
    cells = np.unique(np.concatenate([cell for cell, _ in sides]))
    before, after = (
        np.bincount(np.searchsorted(cells, cell), counts, len(cells)).astype(np.int64) for cell, counts in sides
    )
    return Numbers(dropped, cells, before + after), before, after


def _of_names(reference: Tally, current: Tally) -> Distance:
    kept = named_categories(reference)
    names, before = reference.names[kept].tolist(), reference.counts[kept]
    found = dict(zip(current.digests.tolist(), current.counts.tolist(), strict=True))
    after = np.array([found.get(digest, 0) for digest in reference.digests[kept].tolist()], dtype=np.int64)
    rest = [side.total - int(counts.sum()) for side, counts in ((reference, before), (current, after))]
    if any(rest):
        names, before, after = [*names, OTHER], np.append(before, rest[0]), np.append(after, rest[1])
    return Distance(psi(before, after), tuple(names), _shares(before), _shares(after))


def _shares(counts: Ints) -> tuple[float, ...]:
    return tuple((counts / counts.sum()).round(4).tolist())
