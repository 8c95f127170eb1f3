"""Is one way of training as good as another? Two-level paired bootstrap over seeds and clusters.

Both arms are trained with the same seeds and scored on the same examples. Seeds and clusters are resampled
independently of each other (they are crossed: every seed is scored on every cluster), identically in both arms.

Shape suffixes: S seeds, R resamples, N examples, K clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from polymart.errors import GateError
from polymart.evaluation.bootstrap import quantiles, resample_counts, resampled
from polymart.evaluation.metrics import Metric
from polymart.evaluation.records import Score

MIN_SEEDS = 6
"""Fewer seeds are a smoke test: a sign-flip test of three cannot go below p = 0.25."""
MARGINS: dict[str, float] = {
    "accuracy": 0.005, "macro_f1": 0.005, "micro_f1": 0.005, "recall": 0.005, "hit": 0.005, "pearson": 0.005,
    "roc_auc": 0.002, "average_precision": 0.005, "ndcg": 0.005, "mrr": 0.005,
}  # fmt: skip
"""Margin X_t of each metric, its ``@k`` left off; an error metric may get 1 % worse relative to the reference."""
RELATIVE_MARGIN = 0.01


@dataclass(frozen=True)
class PairedComparison:
    """Mean over seeds of candidate minus reference, oriented so that positive is better."""

    candidate: float
    reference: float
    difference: Score
    lower_bound: float
    """One-sided lower bound of the difference."""
    margin: float
    num_seeds: int
    num_clusters: int

    @property
    def outcome(self) -> Literal["pass", "fail", "inconclusive"]:
        """pass: not worse by the margin; fail: even the upper end is; anything between does not pass."""
        # Written so that NaN can never pass.
        if self.lower_bound > -self.margin:
            return "pass"
        return "fail" if self.difference.high <= -self.margin else "inconclusive"


def margin_of(metric: str, reference_S: np.ndarray) -> float:
    """X_t: by the metric, but never below the deviation of the reference between seeds.

    Args:
        metric: its name in a suite, e.g. ``recall@10``.
        reference_S: the reference's value for each seed.
    """
    fixed = MARGINS.get(metric.split("@")[0], RELATIVE_MARGIN * float(np.mean(reference_S)))
    spread = float(np.std(reference_S, ddof=1)) if len(reference_S) > 1 else 0.0
    return max(fixed, spread)


def compare_arms(
    name: str,
    metric: Metric,
    label: np.ndarray,
    candidate: Sequence[np.ndarray],
    reference: Sequence[np.ndarray],
    cluster: pd.Series,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedComparison:
    """Candidate against reference over seeds and clusters.

    Args:
        name: the metric's name, which decides the margin.
        metric: the metric.
        label: as the metric takes it, first dimension N.
        candidate: scores of each seed, S arrays whose first dimension is N.
        reference: the same of the reference, in the same order of seeds.
        cluster: cluster of each example.
        resamples: R.
        confidence: of the two-sided interval; the one-sided bound uses the same level.
        seed: of the resampling.

    Raises:
        GateError: no seed, or another number of seeds in the two arms.
    """
    if not candidate or len(candidate) != len(reference):
        raise GateError(
            f"both arms need the same seeds, found {len(candidate)} of the candidate and {len(reference)} "
            "of the reference",
            remedy="train the missing seeds",
        )
    index, clusters = pd.factorize(cluster)
    counts_RK = resample_counts(len(clusters), resamples, seed)
    share_RS = resample_counts(len(candidate), resamples, seed + 1) / len(candidate)
    sign = 1.0 if metric.greater_is_better else -1.0
    values = {
        arm: np.array([metric.value(label, scores) for scores in runs])
        for arm, runs in (("candidate", candidate), ("reference", reference))
    }
    difference_SR = np.stack(
        [
            resampled(metric, label, ours, index, counts_RK) - resampled(metric, label, theirs, index, counts_RK)
            for ours, theirs in zip(candidate, reference, strict=True)
        ]
    )
    difference_R = sign * (share_RS.T * difference_SR).sum(0)
    tail = (1 - confidence) / 2
    lower_bound, low, high = quantiles(difference_R, 1 - confidence, tail, 1 - tail)
    mean = sign * float(np.mean(values["candidate"] - values["reference"]))
    return PairedComparison(
        candidate=float(values["candidate"].mean()),
        reference=float(values["reference"].mean()),
        difference=Score(value=mean, low=low, high=high),
        lower_bound=lower_bound,
        margin=margin_of(name, values["reference"]),
        num_seeds=len(candidate),
        num_clusters=len(clusters),
    )
