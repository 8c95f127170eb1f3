"""Metrics that a bootstrap can reweight: each takes example weights and returns one value per weighting.

Shape suffixes: R resamples, N examples, O outputs, C classes, S sufficient statistics.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from polymart.errors import SuiteError
from polymart.evaluation.metric import Additive, Metric, ratio
from polymart.evaluation.numbers import MeanAbsoluteError, Pearson, RootMeanSquaredError
from polymart.evaluation.ranking import Ndcg, ReciprocalRank
from polymart.evaluation.retrieval import RETRIEVAL_METRICS


def _mean_defined(values_RC: np.ndarray) -> np.ndarray:
    """Mean over the columns that are defined; NaN where none is."""
    return ratio(np.nan_to_num(values_RC).sum(1), (~np.isnan(values_RC)).sum(1))


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
        return np.stack([np.nan_to_num(ratio(hits, size)), size > 0], 1)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        return ratio(sums_RS[:, 0], sums_RS[:, 1])


class Accuracy(Additive):
    """Share of examples whose highest score is the label."""

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        return np.stack([scores_NO.argmax(1) == label, np.ones(len(label))], 1).astype(np.float64)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        return ratio(sums_RS[:, 0], sums_RS[:, 1])


class MacroF1(Additive):
    """Mean over classes of F1; a class that is neither labelled nor predicted is left out.

    Labels that are rows of zeros and ones are tags: each is predicted where its score is 0.5 at least (see
    `Tagging.metric_scores`).
    """

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        if label.ndim == 2:
            truth_NC, guess_NC = label.astype(np.float64), (scores_NO >= 0.5).astype(np.float64)
        else:
            eye = np.eye(scores_NO.shape[1])
            truth_NC, guess_NC = eye[label], eye[scores_NO.argmax(1)]
        return np.concatenate([truth_NC * guess_NC, truth_NC, guess_NC], 1)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        hit_RC, truth_RC, guess_RC = np.split(sums_RS, 3, axis=1)
        return _mean_defined(ratio(2 * hit_RC, truth_RC + guess_RC))


class Wape(Additive):
    """Weighted absolute percentage error: sum |y - median forecast| / sum y."""

    greater_is_better = False

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        return np.stack([np.abs(label - scores_NO[:, 0]), label], 1).astype(np.float64)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        return ratio(sums_RS[:, 0], sums_RS[:, 1])


class AveragePrecision(Metric):
    """Area under the precision-recall steps, sum over scores s of (recall gained at s) * (precision at s).

    Equal scores are one step. Of tags the mean over labels is taken; a label that no row has is left out.
    """

    def values(self, label: np.ndarray, scores_NO: np.ndarray, weights_RN: np.ndarray) -> np.ndarray:
        label_NO = label.reshape(len(label), -1)
        columns = zip(label_NO.T, scores_NO.T, strict=True)
        return _mean_defined(np.stack([self._of_one(truth, score, weights_RN) for truth, score in columns], 1))

    def _of_one(self, truth: np.ndarray, score: np.ndarray, weights_RN: np.ndarray) -> np.ndarray:
        hits, others = _falling(score, truth == 1), _falling(score, truth != 1)
        weight_RP = weights_RN[:, hits]
        # What stands at the score of a hit or above it: hits and others, summed up in the order of scores.
        hits_RP = _running(weight_RP)[:, np.searchsorted(-score[hits], -score[hits], side="right")]
        others_RP = _running(weights_RN[:, others])[:, np.searchsorted(-score[others], -score[hits], side="right")]
        precision_RP = np.nan_to_num(ratio(hits_RP, hits_RP + others_RP))
        return ratio(np.einsum("rp,rp->r", weight_RP, precision_RP), weight_RP.sum(1))


class RocAuc(Metric):
    """Area under the ROC curve: P(score of a positive > score of a negative) + half of the ties (Mann-Whitney)."""

    def values(self, label: np.ndarray, scores_NO: np.ndarray, weights_RN: np.ndarray) -> np.ndarray:
        score = scores_NO[:, 0]
        positives, negatives = np.flatnonzero(label == 1), _falling(score, label == 0)[::-1]
        weight_RP, negative_RN = weights_RN[:, positives], weights_RN[:, negatives]
        below_RN = _running(negative_RN)
        lower, not_higher = (np.searchsorted(score[negatives], score[positives], side=side) for side in SIDES)
        won_R = np.einsum("rp,rp->r", weight_RP, below_RN[:, lower] + below_RN[:, not_higher]) / 2
        return ratio(won_R, weight_RP.sum(1) * negative_RN.sum(1))


SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


def _falling(score: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Positions of the chosen rows, highest score first."""
    positions = np.flatnonzero(chosen)
    return positions[np.argsort(-score[positions], kind="stable")]


def _running(weights_RN: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, 2 ... columns, shape (R, N + 1)."""
    sums_RN = np.zeros((len(weights_RN), weights_RN.shape[1] + 1))
    np.cumsum(weights_RN, axis=1, out=sums_RN[:, 1:])
    return sums_RN


METRICS: dict[str, Metric] = {
    "recall@5": RecallAt(5),
    "recall@10": RecallAt(10),
    "recall@20": RecallAt(20),
    "accuracy": Accuracy(),
    "macro_f1": MacroF1(),
    "wape": Wape(),
    "roc_auc": RocAuc(),
    "average_precision": AveragePrecision(),
    "mae": MeanAbsoluteError(),
    "rmse": RootMeanSquaredError(),
    "pearson": Pearson(),
    "ndcg@10": Ndcg(10),
    "mrr": ReciprocalRank(),
}
"""Metrics of scores by the name that a suite file uses; those of ranked lists are `RETRIEVAL_METRICS`."""

METRICS_OF_KIND: dict[str, tuple[str, ...]] = {
    "multilabel": ("recall@5", "recall@10", "recall@20"),
    "tagging": ("macro_f1", "average_precision"),
    "binary": ("roc_auc", "average_precision"),
    "multiclass": ("accuracy", "macro_f1"),
    "count": ("wape",),
    "regression": ("mae", "rmse", "pearson"),
    "ranking": ("ndcg@10", "mrr"),
    "retrieval": tuple(RETRIEVAL_METRICS),
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
    return RETRIEVAL_METRICS[name] if kind == "retrieval" else METRICS[name]
