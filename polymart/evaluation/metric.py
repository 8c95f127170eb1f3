"""What a metric is: a function of labels and scores that a bootstrap can reweight.

Shape suffixes: R resamples, N examples, O outputs, S sufficient statistics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class Metric(ABC):
    """A metric of scores against labels under example weights."""

    greater_is_better: bool = True

    @abstractmethod
    def values(self, label: np.ndarray, scores_NO: np.ndarray, weights_RN: np.ndarray) -> np.ndarray:
        """One value per row of weights, shape (R,); NaN where the metric is undefined (e.g. one class only)."""

    def value(self, label: np.ndarray, scores_NO: np.ndarray) -> float:
        """The metric with equal weights."""
        return float(self.values(label, scores_NO, np.ones((1, len(scores_NO))))[0])


class Additive(Metric):
    """A function of weighted sums of per-example statistics, so that clusters can be summed first."""

    @abstractmethod
    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        """Sufficient statistics, shape (N, S)."""

    @abstractmethod
    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        """The metric from summed statistics, shape (R,)."""

    def values(self, label: np.ndarray, scores_NO: np.ndarray, weights_RN: np.ndarray) -> np.ndarray:
        return self.combine(weights_RN @ self.statistics(label, scores_NO))


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient, NaN where the denominator is not positive."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
