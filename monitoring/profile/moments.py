"""Count, mean and spread of vectors, such as the encoder's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Moments:
    """First two moments of each dimension.

    Attributes:
        count: vectors.
        mean: mean of each dimension.
        squares: sum of squared distances from the mean, by dimension.
    """

    count: int
    mean: npt.NDArray[np.float64]
    squares: npt.NDArray[np.float64]

    @classmethod
    def of(cls, vectors: npt.ArrayLike) -> Moments:
        """Moments of vectors, one a row; at least one."""
        rows = np.asarray(vectors, dtype=np.float64)
        mean = rows.mean(axis=0)
        return cls(len(rows), mean, ((rows - mean) ** 2).sum(axis=0))

    @classmethod
    def merged(cls, parts: Iterable[Moments]) -> Moments:
        """The moments of all parts together (Chan, Golub and LeVeque 1983), equal up to rounding."""
        parts = list(parts)
        counts = np.array([part.count for part in parts], dtype=np.float64)
        means = np.stack([part.mean for part in parts])
        mean = counts @ means / counts.sum()
        squares = sum(part.squares for part in parts) + counts @ (means - mean) ** 2
        return cls(int(counts.sum()), mean, np.asarray(squares))

    def distance(self, other: Moments) -> float:
        """Distance of the other mean from this one, in units of this total standard deviation, 0 or more."""
        spread = float(np.sqrt(self.squares.sum() / max(1, self.count - 1)))
        apart = float(np.linalg.norm(self.mean - other.mean))
        return apart / spread if spread > 0 else float("inf") if apart > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        return {"count": self.count, "mean": self.mean.tolist(), "squares": self.squares.tolist()}

    @classmethod
    def from_json(cls, written: dict[str, Any]) -> Moments:
        return cls(int(written["count"]), np.array(written["mean"]), np.array(written["squares"]))
