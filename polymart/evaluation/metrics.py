"""Metrics that a bootstrap can reweight: each takes example weights and returns one value per weighting.

Shape suffixes: R resamples, N examples, O outputs, C classes, S sufficient statistics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from polymart.errors import SuiteError


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


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


class RecallAt(Additive):
    """Mean over examples of |top k with label| / |labels|; an example without labels is left out."""

    def __init__(self, k: int) -> None:
        self.k = k

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        k = min(self.k, scores_NO.shape[1])
        # A stable sort makes ties fall to the lower index, alike on every machine.
        top_Nk = np.argsort(-scores_NO, axis=1, kind="stable")[:, :k]
        size = label.sum(1)
        hits = np.take_along_axis(label, top_Nk, 1).sum(1)
        return np.stack([np.nan_to_num(_ratio(hits, size)), size > 0], 1)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        return _ratio(sums_RS[:, 0], sums_RS[:, 1])


class Accuracy(Additive):
    """Share of examples whose highest score is the label."""

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        return np.stack([scores_NO.argmax(1) == label, np.ones(len(label))], 1).astype(np.float64)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        return _ratio(sums_RS[:, 0], sums_RS[:, 1])


class MacroF1(Additive):
    """Mean over classes of F1; a class that is neither labelled nor predicted is left out."""

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        eye = np.eye(scores_NO.shape[1])
        truth_NC, guess_NC = eye[label], eye[scores_NO.argmax(1)]
        return np.concatenate([truth_NC * guess_NC, truth_NC, guess_NC], 1)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        hit_RC, truth_RC, guess_RC = np.split(sums_RS, 3, axis=1)
        return np.nanmean(_ratio(2 * hit_RC, truth_RC + guess_RC), axis=1)


class Wape(Additive):
    """Weighted absolute percentage error: sum |y - median forecast| / sum y."""

    greater_is_better = False

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        return np.stack([np.abs(label - scores_NO[:, 0]), label], 1).astype(np.float64)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        return _ratio(sums_RS[:, 0], sums_RS[:, 1])


class RocAuc(Metric):
    """Area under the ROC curve: P(score of a positive > score of a negative) + half of the ties (Mann-Whitney)."""

    def values(self, label: np.ndarray, scores_NO: np.ndarray, weights_RN: np.ndarray) -> np.ndarray:
        score = scores_NO[:, 0]
        order = np.argsort(score, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
        positive_RN = weights_RN[:, order] * (label[order] == 1)
        negative_RN = weights_RN[:, order] * (label[order] == 0)
        positive_RG = np.add.reduceat(positive_RN, starts, axis=1)
        negative_RG = np.add.reduceat(negative_RN, starts, axis=1)
        below_RG = negative_RG.cumsum(1) - negative_RG / 2
        pairs = positive_RG.sum(1) * negative_RG.sum(1)
        return _ratio((positive_RG * below_RG).sum(1), pairs)


METRICS: dict[str, Metric] = {
    "recall@5": RecallAt(5),
    "recall@10": RecallAt(10),
    "recall@20": RecallAt(20),
    "accuracy": Accuracy(),
    "macro_f1": MacroF1(),
    "wape": Wape(),
    "roc_auc": RocAuc(),
}
"""Every metric by the name that a suite file uses."""

METRICS_OF_KIND: dict[str, tuple[str, ...]] = {
    "multilabel": ("recall@5", "recall@10", "recall@20"),
    "binary": ("roc_auc",),
    "multiclass": ("accuracy", "macro_f1"),
    "count": ("wape",),
}
"""What is reported for each kind; a task's gated metric must be among them."""


def metric_of(name: str, kind: str) -> Metric:
    """The metric called ``name``.

    Raises:
        SuiteError: the metric does not fit the kind of task.
    """
    if name not in METRICS_OF_KIND.get(kind, ()):
        allowed = ", ".join(METRICS_OF_KIND.get(kind, ()))
        raise SuiteError(f"metric {name!r} does not fit a task of kind {kind!r}", remedy=f"use one of: {allowed}")
    return METRICS[name]
