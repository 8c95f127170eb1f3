"""Paired cluster bootstrap: whole households, series or reviews are resampled, identically in every arm.

Shape suffixes: R resamples, N examples, K clusters.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from polymart.evaluation.metrics import Additive, Metric
from polymart.evaluation.records import Score

CHUNK = 100
"""Resamples taken at once: their weights stay in the processor's cache."""


@dataclass(frozen=True)
class Measured:
    """A metric of one arm, on the rows and in every resample."""

    value: float
    draws_R: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """Model against a reference on the same examples, oriented so that positive is better."""

    model: Score
    reference: Score
    difference: Score
    lower_bound: float
    """One-sided lower bound of the oriented difference."""
    num_clusters: int
    draws_R: np.ndarray = field(repr=False, compare=False)
    """The oriented difference in every resample."""

    def p_not_worse(self, margin: float) -> float:
        """One-sided p value of the hypothesis that the model is not worse than the reference by more than ``margin``.

        The share of resamples that agree with the hypothesis, the sample itself counted as one of them (Davison &
        Hinkley 1997, section 4.2.3); NaN where the difference is no number.
        """
        defined = self.draws_R[~np.isnan(self.draws_R)]
        if not len(defined) or np.isnan(self.difference.value):
            return float("nan")
        return float((1 + (defined >= -margin).sum()) / (1 + len(defined)))


class Bootstrap:
    """Draws of whole clusters, shared by everything that is measured on the same rows."""

    def __init__(self, cluster: pd.Series, *, resamples: int, confidence: float, seed: int) -> None:
        """Draw.

        Args:
            cluster: cluster of each of the N examples.
            resamples: R.
            confidence: of the two-sided intervals; one-sided bounds use the same level.
            seed: of the draws.
        """
        self.cluster_N, names = pd.factorize(cluster)
        self.confidence = confidence
        self.counts_RK = resample_counts(len(names), resamples, seed)

    def measure(
        self, metric: Metric, label: np.ndarray, scores: np.ndarray, rows: np.ndarray | None = None
    ) -> Measured:
        """A metric of one arm.

        Args:
            metric: the metric.
            label: as `TaskKind.metric_label` gives it, first dimension N.
            scores: as `TaskKind.metric_scores` gives them, shape (N, S).
            rows: positions of the rows that count; all if None.
        """
        if rows is None:
            draws_R = resampled(metric, label, scores, self.cluster_N, self.counts_RK)
            return Measured(metric.value(label, scores), draws_R)
        clusters, index = np.unique(self.cluster_N[rows], return_inverse=True)
        draws_R = resampled(metric, label[rows], scores[rows], index, self.counts_RK[:, clusters])
        return Measured(metric.value(label[rows], scores[rows]), draws_R)

    def compare(self, metric: Metric, model: Measured, reference: Measured) -> Comparison:
        """Both arms with intervals, and their paired difference (positive means the model is better)."""
        sign = 1.0 if metric.greater_is_better else -1.0
        draws_R = sign * (model.draws_R - reference.draws_R)
        return Comparison(
            self.interval(model),
            self.interval(reference),
            self.interval(Measured(sign * (model.value - reference.value), draws_R)),
            quantiles(draws_R, 1 - self.confidence)[0],
            self.counts_RK.shape[1],
            draws_R,
        )

    def bound(self, metric: Metric, measured: Measured) -> float:
        """One-sided bound of the value, on the side where the metric is worse."""
        level = 1 - self.confidence if metric.greater_is_better else self.confidence
        return float(np.nanquantile(measured.draws_R, level))

    def interval(self, measured: Measured) -> Score:
        """The value with its percentile interval; a resample in which the metric is undefined says nothing."""
        tail = (1 - self.confidence) / 2
        low, high = quantiles(measured.draws_R, tail, 1 - tail)
        return Score(value=measured.value, low=low, high=high)


def quantiles(draws_R: np.ndarray, *levels: float) -> list[float]:
    """Quantiles of the draws that are numbers; NaN where none is."""
    defined = draws_R[~np.isnan(draws_R)]
    return np.quantile(defined, levels).tolist() if len(defined) else [float("nan")] * len(levels)


def resample_counts(num_clusters: int, resamples: int, seed: int) -> np.ndarray:
    """How often each cluster is drawn in each resample, int16 of shape (R, K); every row sums to K."""
    generator = np.random.default_rng(seed)
    counts_RK = np.empty((resamples, num_clusters), np.int16)  # fits the cache of a processor four times as often
    for counts_K in counts_RK:
        counts_K[:] = np.bincount(generator.integers(num_clusters, size=num_clusters), minlength=num_clusters)
    return counts_RK


def resampled(
    metric: Metric, label: np.ndarray, scores: np.ndarray, cluster: np.ndarray, counts_RK: np.ndarray
) -> np.ndarray:
    """The metric in each resample, shape (R,).

    Args:
        metric: the metric.
        label: as the metric takes it, first dimension N.
        scores: as the metric takes them, shape (N, S).
        cluster: index 0..K-1 of each example's cluster, shape (N,).
        counts_RK: from `resample_counts`.
    """
    chunks = [counts_RK[start : start + CHUNK] for start in range(0, len(counts_RK), CHUNK)]
    if isinstance(metric, Additive):
        sums_KS = pd.DataFrame(metric.statistics(label, scores)).groupby(cluster).sum().to_numpy()
        return metric.combine(np.concatenate([chunk_RK.astype(np.float64) @ sums_KS for chunk_RK in chunks]))
    return np.concatenate([metric.values(label, scores, chunk_RK[:, cluster]) for chunk_RK in chunks])


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
    """Model against one reference; see `Bootstrap` for the arguments and for several references at once."""
    bootstrap = Bootstrap(cluster, resamples=resamples, confidence=confidence, seed=seed)
    return bootstrap.compare(
        metric, bootstrap.measure(metric, label, scores), bootstrap.measure(metric, label, reference)
    )
