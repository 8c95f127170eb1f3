"""Numbers counted by the leading bits of their floating-point form.

A double's bits, its sign turned around, sort as the double does. Numbers that share all but their low ``dropped`` bits
share a cell; as few bits are dropped as leave at most `MAX_CELLS` occupied cells. So up to that many distinct values
are counted exactly, and any range is resolved without being known beforehand. Dropping is all that ever happens to a
cell, and the union drops at least as many bits as each part: merged parts equal the profile of the union, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_CELLS = 1024
"""Occupied cells at most; a spread-out column has about 0.2 % of its rows in the fullest one."""
_SIGN = np.int64(np.iinfo(np.int64).min)

Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Numbers:
    """Counts of finite numbers.

    Attributes:
        dropped: low bits that were dropped, 0 to 63; 0 means that every distinct value has a cell of its own.
        cells: the bits that are left of each occupied cell, ascending.
        counts: numbers in each cell.
    """

    dropped: int
    cells: Keys
    counts: Ints

    @classmethod
    def of(cls, values: Floats) -> Numbers:
        """Count what is finite; everything else is left out."""
        return _fit(0, _to_keys(np.sort(values[np.isfinite(values)])))

    @classmethod
    def merged(cls, parts: Iterable[Numbers]) -> Numbers:
        """The counts of all parts together."""
        parts = list(parts)
        dropped = max((part.dropped for part in parts), default=0)
        cells = np.concatenate([part.coarser(dropped) for part in parts] or [np.array([], dtype=np.uint64)])
        counts = np.concatenate([part.counts for part in parts] or [np.array([], dtype=np.int64)])
        order = np.argsort(cells, kind="stable")
        return _fit(dropped, cells[order], counts[order])

    def coarser(self, dropped: int) -> Keys:
        """The cells with ``dropped`` bits dropped, at least as many as now; neighbours may become equal."""
        return self.cells >> np.uint64(dropped - self.dropped)

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    @property
    def lows(self) -> Floats:
        """The lowest number that each cell could hold."""
        return _to_floats(self.cells << np.uint64(self.dropped))

    @property
    def highs(self) -> Floats:
        """The highest number that each cell could hold: the upper edge, inclusive."""
        return _to_floats((self.cells << np.uint64(self.dropped)) | np.uint64((1 << self.dropped) - 1))

    @property
    def middles(self) -> Floats:
        """The number in the middle of each cell; exact where a cell holds one value."""
        return self.lows + (self.highs - self.lows) / 2

    @property
    def usual_size(self) -> float:
        """Median of the numbers' sizes without zeros, which are zeros in every unit; nan where there is none."""
        sizes = np.abs(self.middles)
        order = np.argsort(sizes, kind="stable")
        order = order[~((self.lows[order] <= 0) & (self.highs[order] >= 0))]
        reached = np.cumsum(self.counts[order])
        return float(sizes[order][np.searchsorted(reached, reached[-1] / 2)]) if len(order) else float("nan")

    def quantile(self, share: float) -> float:
        """The middle of the cell in which this share of the numbers is reached, 0 to 1; nan without numbers."""
        if not len(self.cells):
            return float("nan")
        i = int(np.searchsorted(np.cumsum(self.counts), share * self.total))
        return float(self.middles[min(i, len(self.cells) - 1)])

    def share_outside(self, low: float, high: float) -> float:
        """Share of the numbers in cells that lie wholly below ``low`` or above ``high``; 0 without numbers."""
        outside = (self.highs < low) | (self.lows > high)
        return float(self.counts[outside].sum() / self.total) if self.total else 0.0

    def to_json(self) -> dict[str, Any]:
        return {"dropped": self.dropped, "cells": self.cells.tolist(), "counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, written: dict[str, Any]) -> Numbers:
        cells = np.array(written["cells"], dtype=np.uint64)
        return cls(int(written["dropped"]), cells, np.array(written["counts"], dtype=np.int64))


def _fit(dropped: int, cells: Keys, counts: Ints | None = None) -> Numbers:
    """Join ascending cells, equal ones among them, dropping no more bits than `MAX_CELLS` asks for; each counts 1."""
    if not len(cells):
        return Numbers(0, cells, np.array([], dtype=np.int64))
    apart = _bit_lengths(cells[1:] ^ cells[:-1])  # neighbours fall together once so many bits are dropped
    left = len(cells) - np.cumsum(np.bincount(apart, minlength=64))  # occupied cells, by bits dropped
    more = int(np.argmax(left <= MAX_CELLS))
    starts = np.flatnonzero(np.concatenate([[True], apart > more]))
    joined = np.diff(starts, append=len(cells)) if counts is None else np.add.reduceat(counts, starts)
    return Numbers(dropped + more, cells[starts] >> np.uint64(more), joined)


def _bit_lengths(keys: Keys) -> Ints:
    """Position of each key's highest bit, from 1; 0 for 0. The next lower bit is cleared: it could round up."""
    exponents = (keys & ~(keys >> np.uint64(1))).astype(np.float64).view(np.int64) >> 52
    return np.maximum(exponents - 1022, 0)  # a double's exponent is kept with 1022 added; that of 0 is 0


def _to_keys(values: Floats) -> Keys:
    bits = (values + 0.0).view(np.int64)  # -0.0 + 0.0 is 0.0
    return (bits ^ ((bits >> 63) | _SIGN)).view(np.uint64)


def _to_floats(keys: Keys) -> Floats:
    bits = keys.view(np.int64)
    # Where a cell's edge would be infinite or no number, the widest number is the edge.
    return np.nan_to_num((bits ^ (~(bits >> 63) | _SIGN)).view(np.float64), nan=np.finfo(np.float64).max)
