"""Paired cluster bootstrap: whole households, series or reviews are resampled, identically in both arms.

Shape suffixes: R resamples, N examples, K clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from polymart.evaluation.metrics import Additive, Metric

CHUNK = 100
"""Resamples held at once for a metric that needs a weight per example."""


@dataclass(frozen=True)
class Interval:
    """A point estimate with its percentile interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Model against a reference on the same examples, oriented so that positive is better."""

    model: Interval
    reference: Interval
    difference: Interval
    lower_bound: float
    """One-sided lower bound of the oriented difference."""
    num_clusters: int


def resample_counts(num_clusters: int, resamples: int, seed: int) -> np.ndarray:
    """How often each cluster is drawn in each resample, shape (R, K); every row sums to K."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(num_clusters, np.full(num_clusters, 1 / num_clusters), size=resamples)


def resampled(
    metric: Metric, label: np.ndarray, scores: np.ndarray, cluster: np.ndarray, counts_RK: np.ndarray
) -> np.ndarray:
    """The metric in each resample, shape (R,).

    Args:
        cluster: index 0..K-1 of each example's cluster, shape (N,).
        counts_RK: from `resample_counts`.
    """
    if isinstance(metric, Additive):
        sums_KS = pd.DataFrame(metric.statistics(label, scores)).groupby(cluster).sum().to_numpy()
        return metric.combine(counts_RK @ sums_KS)
    parts = [
        metric.values(label, scores, counts_RK[start : start + CHUNK][:, cluster])
        for start in range(0, len(counts_RK), CHUNK)
    ]
    return np.concatenate(parts)


def compare(
    metric: Metric,
    label: np.ndarray,
    scores: np.ndarray,
    reference: np.ndarray,
    cluster: pd.Series,
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> Comparison:
    """Model and reference with intervals, and their paired difference (positive means the model is better).

    Args:
        label: as `TaskKind.encode_labels` gives it, first dimension N.
        scores: the model's scores, shape (N, O).
        reference: the reference's scores, shape (N, O).
        cluster: cluster of each example.
        resamples: R.
        confidence: of the two-sided intervals; the one-sided bound uses the same level.
        seed: of the resampling.
    """
    index, names = pd.factorize(cluster)
    counts_RK = resample_counts(len(names), resamples, seed)
    sign = 1.0 if metric.greater_is_better else -1.0
    arms = [(metric.value(label, s), resampled(metric, label, s, index, counts_RK)) for s in (scores, reference)]
    difference = (sign * (arms[0][0] - arms[1][0]), sign * (arms[0][1] - arms[1][1]))
    tail = (1 - confidence) / 2

    def interval(value: float, draws: np.ndarray) -> Interval:
        low, high = np.nanquantile(draws, [tail, 1 - tail])
        return Interval(float(value), float(low), float(high))

    lower = float(np.nanquantile(difference[1], 1 - confidence))
    return Comparison(interval(*arms[0]), interval(*arms[1]), interval(*difference), lower, len(names))
