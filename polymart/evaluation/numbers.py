"""Metrics of regression tasks.

Shape suffixes: N examples, O outputs, R resamples, S sufficient statistics.
"""

from __future__ import annotations

import numpy as np

from polymart.evaluation.metric import Additive, ratio


class MeanAbsoluteError(Additive):
    """Mean of |y - prediction|, in the units of the label."""

    greater_is_better = False

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        return np.stack([np.abs(label - scores_NO[:, 0]), np.ones(len(label))], 1)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        return ratio(sums_RS[:, 0], sums_RS[:, 1])


class RootMeanSquaredError(Additive):
    """Square root of the mean of (y - prediction)^2, in the units of the label."""

    greater_is_better = False

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        return np.stack([(label.astype(np.float64) - scores_NO[:, 0]) ** 2, np.ones(len(label))], 1)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(sums_RS[:, 0], sums_RS[:, 1]))


class Pearson(Additive):
    """Correlation of label and prediction; 0 where all predictions are equal, NaN where all labels are."""

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        y, x = _standard(label), _standard(scores_NO[:, 0])
        return np.stack([np.ones(len(y)), x, y, x * x, y * y, x * y], 1)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        total_R, x_R, y_R, xx_R, yy_R, xy_R = sums_RS.T
        spread_x, spread_y = _spread(total_R, x_R, xx_R), _spread(total_R, y_R, yy_R)
        shared_R = xy_R - np.nan_to_num(ratio(x_R * y_R, total_R))
        correlation_R = np.nan_to_num(ratio(shared_R, np.sqrt(spread_x * spread_y)))
        return np.where(spread_y > 0, correlation_R, np.nan)


def _spread(total_R: np.ndarray, sum_R: np.ndarray, squares_R: np.ndarray) -> np.ndarray:
    """Sum of squared distances from the mean; 0 where it is only the rounding error of a constant."""
    spread_R = squares_R - np.nan_to_num(ratio(sum_R**2, total_R))
    return np.where(spread_R > 1e-12 * squares_R, spread_R, 0.0)


def _standard(values: np.ndarray) -> np.ndarray:
    """Centred and scaled, which no correlation notices but floating-point numbers do."""
    centred = values.astype(np.float64) - np.median(values)
    return centred / (np.abs(centred).max(initial=0.0) or 1.0)
