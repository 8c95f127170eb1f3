"""How far probabilities are to be believed: expected calibration error and reliability, on test rows.

ECE = sum over bins b of n_b / n * |rate_b - confidence_b| (Naeini, Cooper & Hauskrecht 2015, Obtaining well calibrated
probabilities using Bayesian binning; Guo et al. 2017, 1706.04599, equation 3), with 15 bins of equally many
predictions (Nguyen & O'Connor 2015, 1508.05154) instead of equal width: bins of equal width leave most of a rare
label's bins empty. confidence_b is the mean predicted probability of a bin, rate_b the share that came true.

What is predicted: that a binary event happens, that the likeliest class is right, that a tag applies (the tags of a
head are pooled).

Shape suffixes: N examples, P predictions of an example, B bins, R resamples, S statistics.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit, softmax

from polymart.evaluation.bootstrap import Bootstrap
from polymart.evaluation.metric import Additive, ratio
from polymart.evaluation.records import Bin, Calibration, Score

NUM_BINS = 15
ROUNDING = 1e-7
"""How near to 0 and 1 a float32 probability may come before its logit is lost."""


class CalibrationError(Additive):
    """ECE in bins of given borders; labels are whether each prediction came true, scores its probability, (N, P)."""

    greater_is_better = False

    def __init__(self, probability_NP: np.ndarray) -> None:
        """Bins that hold equally many of the given predictions; equal ones share a bin."""
        inner = np.arange(1, NUM_BINS) / NUM_BINS
        self.borders = np.quantile(probability_NP, inner, method="inverted_cdf")

    def bin_of(self, probability_NP: np.ndarray) -> np.ndarray:
        """The bin of each prediction; a border belongs to the bin below it."""
        return np.searchsorted(self.borders, probability_NP, side="left")

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        bin_NP, statistics_NS = self.bin_of(scores_NO), np.zeros((len(label), NUM_BINS + 1))
        np.add.at(statistics_NS, (np.arange(len(label))[:, None], bin_NP), label - scores_NO)
        statistics_NS[:, -1] = scores_NO.shape[1]
        return statistics_NS

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        return ratio(np.abs(sums_RS[:, :-1]).sum(1), sums_RS[:, -1])


def calibration_of(
    kind: str, label: np.ndarray, scores_NS: np.ndarray, temperature: float, bootstrap: Bootstrap
) -> Calibration | None:
    """Calibration of a head on test rows; None where the kind predicts no probability.

    Args:
        kind: the task's kind.
        label: as `TaskKind.encode_labels` gives it.
        scores_NS: probabilities as they are served.
        temperature: that they were scaled with.
        bootstrap: the resamples of the task.
    """
    if kind not in ("binary", "multiclass", "tagging"):
        return None
    scores_NS = scores_NS.astype(np.float64)
    true_NP, probability_NP = _predictions(kind, label, scores_NS)
    true_before_NP, before_NP = _predictions(kind, label, _unscaled(kind, scores_NS, temperature))
    error = CalibrationError(probability_NP)
    return Calibration(
        temperature=temperature,
        error=_interval(error, true_NP, probability_NP, bootstrap),
        error_unscaled=CalibrationError(before_NP).value(true_before_NP, before_NP),
        bins=_bins(error, true_NP, probability_NP),
    )


def _predictions(kind: str, label: np.ndarray, scores_NS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each prediction came true, and its probability, (N, P) both."""
    if kind == "multiclass":
        return (scores_NS.argmax(1) == label)[:, None].astype(np.float64), scores_NS.max(1, keepdims=True)
    return label.reshape(scores_NS.shape).astype(np.float64), scores_NS


def _unscaled(kind: str, scores_NS: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities that the head would give with a temperature of 1."""
    clipped_NS = scores_NS.clip(ROUNDING, 1 - ROUNDING)
    if kind == "multiclass":
        return softmax(temperature * np.log(clipped_NS), axis=1)
    return expit(temperature * logit(clipped_NS))


def _interval(error: CalibrationError, true_NP: np.ndarray, probability_NP: np.ndarray, bootstrap: Bootstrap) -> Score:
    """The error with its basic bootstrap interval (Davison & Hinkley 1997, equation 5.6), never below 0.

    The error of a sample is larger than the head's, for chance moves every bin away from its confidence, and it is
    larger again in a resample. The basic interval takes that off once; the percentile interval would add it twice.
    In 150 samples of 500 and of 2,000 rows whose true error is 0.04 the basic interval at 95 % held it 91 and 85 times
    in a hundred, the percentile interval 1 and 65 times.
    """
    percentile = bootstrap.interval(measured := bootstrap.measure(error, true_NP, probability_NP))
    low, high = 2 * measured.value - percentile.high, 2 * measured.value - percentile.low
    return Score(value=measured.value, low=max(min(low, measured.value), 0.0), high=max(high, measured.value))


def _bins(error: CalibrationError, true_NP: np.ndarray, probability_NP: np.ndarray) -> list[Bin]:
    bin_M = error.bin_of(probability_NP).ravel()
    counts, confidence, rate = (
        np.bincount(bin_M, weights=weights, minlength=NUM_BINS)
        for weights in (None, probability_NP.ravel(), true_NP.ravel())
    )
    return [
        Bin(confidence=confidence[b] / counts[b], rate=rate[b] / counts[b], num_examples=int(counts[b]))
        for b in np.flatnonzero(counts)
    ]
