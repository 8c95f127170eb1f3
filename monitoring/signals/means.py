"""Has the mean of a number per row moved? The test behind most signals.

The distance is |mean of the window - mean of the reference|. Its bound is the larger of a floor (less does not matter
to anyone) and what chance makes of windows that are alike:

    t_df(1 - CHANCE / 2) * sqrt(e_window^2 + e_reference^2 + s^2 (1 + 1/K))

e are standard errors of the means over clusters (a household's rows repeat each other); s^2 is how far the reference's
own K windows differ beyond those errors (a shop has weeks), by the method of moments (DerSimonian & Laird 1986); df
follows Satterthwaite (1946), since each error is known from so many clusters or windows only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t

from monitoring.psi import CHANCE
from monitoring.signals.rows import PAST, Rows

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


class Mean(NamedTuple):
    """A mean over rows of clusters."""

    value: float
    error: float
    clusters: int
    rows: int

    @classmethod
    def of(cls, values: np.ndarray, clusters: np.ndarray) -> Mean:
        """Mean and standard error when values of one cluster depend on each other; at least one value is known."""
        known = ~np.isnan(values)
        values, clusters = values[known], clusters[known]
        codes, names = pd.factorize(clusters)
        sums = np.bincount(codes, weights=values - values.mean(), minlength=len(names))
        correction = len(names) / max(1, len(names) - 1)
        return cls(
            float(values.mean()), float(np.sqrt(np.sum(sums**2) * correction) / len(values)), len(names), len(values)
        )

    @property
    def judged(self) -> bool:
        """Whether its error is to be believed."""
        return self.clusters >= MIN_CLUSTERS


def mean_of(rows: pd.DataFrame, column: str) -> Mean | None:
    """The mean of a column; None where no value is known."""
    values = rows[column].to_numpy(np.float64)
    return Mean.of(values, rows["cluster"].to_numpy()) if not np.isnan(values).all() else None


@dataclass(frozen=True)
class Usual:
    """A mean of the reference, and how far it usually strays.

    Attributes:
        mean: over the reference.
        spread: standard deviation between the reference's windows beyond their errors.
        windows: K, those windows.
    """

    mean: Mean
    spread: float
    windows: int

    @classmethod
    def of(cls, mean: Mean, past: Sequence[Mean]) -> Usual:
        """Learn how far the means of the reference's windows differ."""
        spread = 0.0
        if len(past) >= MIN_WINDOWS:
            between = float(np.var([one.value for one in past], ddof=1) - np.mean([one.error**2 for one in past]))
            spread = float(np.sqrt(max(0.0, between)))
        return cls(mean, spread, len(past))

    def bound(self, window: Mean) -> float:
        """The distance that chance passes in one window of a thousand."""
        between = self.spread**2 * (1 + 1 / self.windows) if self.spread else 0.0
        variances = np.array([window.error**2, self.mean.error**2, between])
        freedoms = np.array([window.clusters - 1, self.mean.clusters - 1, max(1, self.windows - 1)])
        doubt = float((variances**2 / freedoms).sum())
        freedom = float(variances.sum()) ** 2 / doubt if doubt else np.inf
        return float(t.ppf(1 - CHANCE / 2, freedom) * np.sqrt(variances.sum()))

    def compare(self, window: Mean | None, floor: float, *, sign: int = 0) -> Change:
        """A window beside the reference; not judged for want of clusters.

        Args:
            window: its mean; None where it has none.
            floor: least distance that matters.
            sign: 1 where only a rise is news, -1 where only a fall is, 0 for both.
        """
        if window is None or not (window.judged and self.mean.judged):
            found = window.clusters if window else 0
            note = f"{found} clusters in the window, {self.mean.clusters} in the reference; {MIN_CLUSTERS} are needed"
            return Change(None, None, None, self.mean.value, window.rows if window else 0, note)
        change = window.value - self.mean.value
        distance = max(0.0, sign * change) if sign else abs(change)
        return Change(distance, max(floor, self.bound(window)), window.value, self.mean.value, window.rows)


def compare_means(rows: Rows, column: str, floor: float, *, sign: int = 0) -> Iterator[tuple[int, Change]]:
    """Each window beside the reference; nothing where the reference knows no value.

    Args:
        rows: with ``column`` (numbers, missing ones are left out).
        column: what is averaged.
        floor: least distance that matters, in the column's unit.
        sign: 1 where only a rise is news (more is missing, say), -1 where only a fall is, 0 for both.
    """
    whole = mean_of(rows.reference, column)
    if whole is None:
        return
    usual = Usual.of(whole, past_means(rows.reference, column))
    for number, window in enumerate(rows.windows):
        yield number, usual.compare(mean_of(window, column), floor, sign=sign)


def past_means(reference: pd.DataFrame, column: str) -> list[Mean]:
    """The mean of each of the reference's own windows that has two clusters at least."""
    values, clusters = reference[column].to_numpy(np.float64), reference["cluster"].to_numpy()
    number = np.where(np.isnan(values), -1, reference[PAST].to_numpy())
    means = (Mean.of(values[number == one], clusters[number == one]) for one in np.unique(number[number >= 0]))
    return [mean for mean in means if mean.clusters > 1]
