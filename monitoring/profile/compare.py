"""How far a column of one profile lies from the same column of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, kstwobign

from monitoring.profile.numbers import Numbers
from monitoring.profile.profile import Column
from monitoring.profile.tally import Tally

PSI_THRESHOLD = 0.2
"""The customary bound of a major shift (0.1 is a minor one)."""
KS_THRESHOLD = 0.2
"""Largest distance of two distribution functions that counts as no major shift."""
CHANCE = 0.001
"""Share of windows in which a column that did not move may pass a threshold by chance."""
NUM_BUCKETS = 10
MAX_CATEGORIES = 20
"""Categories of the reference that have a bucket of their own; the rest share one, so that rare ones add no noise."""
_LEAST_SHARE = 1e-4


@dataclass(frozen=True)
class Distance:
    """How far one column moved.

    Attributes:
        psi: population stability index over the reference's deciles or most frequent categories, 0 or more.
        num_buckets: buckets behind it.
        ks: largest distance of the two distribution functions, 0 to 1; exact where `ks_high` equals it, else never
            too large. None for categories.
        ks_high: what the distance is at most, given that values within a cell are not told apart.
    """

    psi: float
    num_buckets: int
    ks: float | None = None
    ks_high: float | None = None


def distance(reference: Column, current: Column) -> Distance | None:
    """Compare two profiles of one column; None where either has no known value."""
    if not reference.known or not current.known:
        return None
    if reference.numbers is not None and current.numbers is not None:
        return _of_numbers(reference.numbers, current.numbers)
    if reference.names is not None and current.names is not None:
        return _of_names(reference.names, current.names)
    return None


def psi_threshold(num_buckets: int, num_reference: int, num_current: int) -> float:
    """The PSI from which a column counts as drifted.

    Of two samples from one distribution, PSI over B buckets is about chi-square(B - 1) x (1/n + 1/m): a small
    window exceeds any fixed bound by chance. So the bound is the larger of 0.2 and that law's 99.9 % quantile.

    Args:
        num_buckets: buckets, at least 1.
        num_reference: independent observations in the reference, at least 1.
        num_current: independent observations in the window, at least 1.
    """
    noise = float(chi2.ppf(1 - CHANCE, max(1, num_buckets - 1))) * (1 / num_reference + 1 / num_current)
    return max(PSI_THRESHOLD, noise)


def ks_threshold(num_reference: int, num_current: int) -> float:
    """The distance of two distribution functions from which a column counts as drifted; see `psi_threshold`."""
    noise = float(kstwobign.ppf(1 - CHANCE)) * (1 / num_reference + 1 / num_current) ** 0.5
    return max(KS_THRESHOLD, noise)


def observations(column: Column, rho: float) -> int:
    """Independent observations behind a column's known values.

    Rows are divided by the design effect 1 + (m - 1) rho (Kish 1965): m rows per event time, rho the intraclass
    correlation by event time. Rows of one cluster repeat each other, so there are no more of them than clusters.
    """
    independent = int(column.known / (1 + (column.times.typical_count - 1) * rho))
    return min(independent, column.clusters.distinct) if column.clusters is not None else independent


def psi(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Population stability index of two counts over the same buckets; an empty bucket counts as 0.01 %."""
    p, q = (np.asarray(side, dtype=np.float64) for side in (reference, current))
    p, q = (np.maximum(side / side.sum(), _LEAST_SHARE) for side in (p, q))
    return float(((p - q) * np.log(p / q)).sum())


def _of_numbers(reference: Numbers, current: Numbers) -> Distance:
    before, after = _counts_by_cell(reference, current)
    below, at_most = np.cumsum(before) / before.sum(), np.cumsum(after) / after.sum()
    # A bucket ends with the cell in which the reference reaches the next tenth; ties share a bucket.
    ends = np.unique(np.searchsorted(below, np.arange(1, NUM_BUCKETS) / NUM_BUCKETS - 1e-12))
    starts = np.concatenate([[0], ends + 1])
    starts = starts[starts < len(before)]
    ks = float(np.abs(below - at_most).max())
    # Within a cell one function may rise fully before the other begins to.
    overlap = np.maximum(np.abs(below - at_most + after / after.sum()), np.abs(at_most - below + before / before.sum()))
    exact = max(reference.dropped, current.dropped) == 0
    return Distance(
        psi=psi(np.add.reduceat(before, starts), np.add.reduceat(after, starts)),
        num_buckets=len(starts),
        ks=ks,
        ks_high=ks if exact else max(ks, float(overlap.max())),
    )


def _counts_by_cell(reference: Numbers, current: Numbers) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Counts of both sides over the cells that either occupies, ascending."""
    dropped = max(reference.dropped, current.dropped)
    sides = [(side.coarser(dropped), side.counts) for side in (reference, current)]
    cells = np.unique(np.concatenate([cell for cell, _ in sides]))
    counted = [np.bincount(np.searchsorted(cells, cell), counts, len(cells)) for cell, counts in sides]
    return counted[0].astype(np.int64), counted[1].astype(np.int64)


def _of_names(reference: Tally, current: Tally) -> Distance:
    order = np.lexsort((reference.digests, -reference.counts))[:MAX_CATEGORIES]
    kept = reference.digests[order]
    before = reference.counts[order]
    found = dict(zip(current.digests.tolist(), current.counts.tolist(), strict=True))
    after = np.array([found.get(digest, 0) for digest in kept.tolist()], dtype=np.int64)
    rest = [side.total - int(counts.sum()) for side, counts in ((reference, before), (current, after))]
    if any(rest):
        before, after = np.append(before, rest[0]), np.append(after, rest[1])
    return Distance(psi=psi(before, after), num_buckets=len(before))
