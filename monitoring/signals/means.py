"""Has the mean of a number per row moved? The test behind most signals.

The distance is |mean of the window - mean of the reference|. Its bound is the larger of a floor (less does not matter
to anyone) and what chance makes of windows that are alike:

    t_df(1 - CHANCE / 2) * sqrt(e_window^2 + e_reference^2 + s^2 (1 + 1/K))

e are standard errors of the means over clusters (a household's rows repeat each other); s^2 is how far the reference's
own K windows differ beyond those errors (a shop has weeks), by the method of moments (DerSimonian & Laird 1986); df
follows Satterthwaite (1946), since s is known from K windows only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t

from monitoring.psi import CHANCE
from monitoring.signals.rows import Rows

MIN_CLUSTERS = 30
"""Fewer clusters on either side are not judged: their standard error is not to be believed."""
MIN_WINDOWS = 3
"""Fewer windows of the reference tell nothing of how far windows differ."""


class Change(NamedTuple):
    """A window beside the reference; the names are those of `monitoring.schema.Signal`."""

    value: float | None
    threshold: float | None
    now: float | None
    usual: float | None
    rows: int
    note: str = ""


def standard_error(values: np.ndarray, clusters: pd.Series | np.ndarray) -> float:
    """Standard error of the mean when values of one cluster depend on each other; 0 for a single cluster."""
    codes, names = pd.factorize(np.asarray(clusters))
    if len(names) < 2:
        return 0.0
    sums = np.bincount(codes, weights=values - values.mean(), minlength=len(names))
    return float(np.sqrt(np.sum(sums**2) * len(names) / (len(names) - 1)) / len(values))


@dataclass(frozen=True)
class Usual:
    """The mean of a number in the reference, and how far it usually strays.

    Attributes:
        mean: over the reference rows.
        error: its standard error.
        spread: standard deviation between the reference's windows beyond their errors.
        windows: K, those windows.
        clusters: of the reference.
    """

    mean: float
    error: float
    spread: float
    windows: int
    clusters: int

    @classmethod
    def of(cls, rows: Rows, column: str) -> Usual | None:
        """Learn from the reference; None where no value is known."""
        known = rows.reference.dropna(subset=[column])
        if known.empty:
            return None
        values = known[column].to_numpy(np.float64)
        parts = [part for part in (p.dropna(subset=[column]) for p in rows.usual_windows) if _clusters(part) > 1]
        spread = 0.0
        if len(parts) >= MIN_WINDOWS:
            means = [part[column].mean() for part in parts]
            errors = [standard_error(part[column].to_numpy(np.float64), part["cluster"]) for part in parts]
            spread = float(np.sqrt(max(0.0, np.var(means, ddof=1) - np.mean(np.square(errors)))))
        error = standard_error(values, known["cluster"])
        return cls(float(values.mean()), error, spread, len(parts), _clusters(known))

    def bound(self, error: float) -> float:
        """The distance that chance passes in one window of a thousand, for a window of this standard error."""
        between = self.spread**2 * (1 + 1 / self.windows) if self.spread else 0.0
        variance = error**2 + self.error**2 + between
        freedom = (self.windows - 1) * (variance / between) ** 2 if between else np.inf
        return float(t.ppf(1 - CHANCE / 2, freedom) * np.sqrt(variance))

    def compare(self, rows: pd.DataFrame, column: str, floor: float) -> Change:
        """One window beside the reference; not judged for want of clusters."""
        known = rows.dropna(subset=[column])
        clusters = _clusters(known)
        if min(clusters, self.clusters) < MIN_CLUSTERS:
            note = f"{clusters} clusters in the window, {self.clusters} in the reference; {MIN_CLUSTERS} are needed"
            return Change(None, None, None, self.mean, len(known), note)
        values = known[column].to_numpy(np.float64)
        bound = max(floor, self.bound(standard_error(values, known["cluster"])))
        return Change(abs(values.mean() - self.mean), bound, float(values.mean()), self.mean, len(known))


def compare_means(rows: Rows, column: str, floor: float) -> Iterator[tuple[int, Change]]:
    """Each window beside the reference; nothing where the reference knows no value.

    Args:
        rows: with ``column`` (numbers, missing ones are left out), ``cluster`` and ``event_timestamp``.
        column: what is averaged.
        floor: least distance that matters, in the column's unit.
    """
    usual = Usual.of(rows, column)
    for number, window in enumerate(rows.windows if usual else ()):
        yield number, usual.compare(window, column, floor)


def _clusters(rows: pd.DataFrame) -> int:
    return int(rows["cluster"].nunique())
