"""Tagging: which of L names apply, each for itself? L logits, binary cross-entropy in units of its base rates.

Tags are rare: an uninformed head, which says the base rate of each label, already has a small cross-entropy (0.22
in units of log 2 for 28 emotions). Dividing by exactly that value, the mean entropy of the training base rates, lets
every tagging task start at 1 like all other kinds; log 2 would weigh a task by how rare its labels are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from polymart.config import Task
from polymart.tasks.base import TargetStatistics, TaskKind, label_matrix
from polymart.tasks.probability import Probabilistic


class Tagging(Probabilistic):
    """Labels are lists of positions in the label map, empty where none applies; the scores are probabilities."""

    name = "tagging"

    def __init__(self, scale: float = 1.0, thresholds: Sequence[float] | None = None, temperature: float = 1.0) -> None:
        super().__init__(temperature)
        self.scale = scale
        self.thresholds = None if thresholds is None else np.asarray(thresholds)

    def fit(self, target: Tensor) -> TargetStatistics:
        rate_L = target.double().mean(0)
        entropy_L = functional.binary_cross_entropy(rate_L, rate_L, reduction="none")
        # Labels that never or always apply have no entropy; the floor keeps the loss finite.
        return TargetStatistics(scale=max(float(entropy_L.mean()), 1e-3))

    def bind(self, task: Task, statistics: TargetStatistics) -> TaskKind:
        return Tagging(statistics.scale, statistics.thresholds, statistics.temperature)

    def num_outputs(self, labels: Sequence[str] | None) -> int:
        return len(labels or ())

    def encode_labels(self, column: pd.Series, labels: Sequence[str] | None, task: str) -> np.ndarray:
        return label_matrix(column, labels, task)

    def base_outputs(self, target: Tensor, num_outputs: int) -> Tensor:
        return torch.logit(target.mean(0), eps=1e-4)

    def loss(self, outputs_BO: Tensor, target: Tensor) -> Tensor:
        # An example without labels says that none applies, so unlike in a multilabel task it has a loss.
        return self.in_units(functional.binary_cross_entropy_with_logits(outputs_BO, target, reduction="none"))

    def in_units(self, nats_BO: Tensor) -> Tensor:
        return nats_BO.mean(1) / self.scale

    def probabilities(self, logits_BO: Tensor) -> Tensor:
        return logits_BO.sigmoid()

    def metric_scores(self, scores_BS: np.ndarray) -> np.ndarray:
        """Scores moved so that every label applies from 0.5; their order within a label stays."""
        return scores_BS if self.thresholds is None else scores_BS - self.thresholds + 0.5

    def decode(self, scores_BO: np.ndarray, labels: Sequence[str] | None, top: int = 10) -> list[dict[str, Any]]:
        """``labels`` that apply and the ``top`` ``scores``, best first; ``label`` is the likeliest, applying or not."""
        names, applies_BO = list(labels or ()), self.metric_scores(scores_BO) >= 0.5
        order = np.argsort(-scores_BO, axis=1, kind="stable")
        return [
            {
                "labels": [names[i] for i in best if applies[i]],
                "label": names[best[0]],
                "score": float(row[best[0]]),
                "scores": {names[i]: float(row[i]) for i in best[:top]},
            }
            for row, applies, best in zip(scores_BO, applies_BO, order, strict=True)
        ]

    def summary(self, scores_BO: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
        best = scores_BO.argmax(1)
        return np.asarray(labels, dtype=object)[best], scores_BO.max(1)


def best_thresholds(target_NL: np.ndarray, scores_NL: np.ndarray) -> list[float]:
    """For each label the score from which on it should apply to reach the highest F1 on the given rows.

    A threshold lies half-way to the next lower score, so that rounding decides nothing. Of equally good ones the
    highest is taken; a label that these rows never show keeps 0.5.
    """
    thresholds = []
    for target, score in zip(target_NL.T, scores_NL.T.astype(np.float64), strict=True):
        order = np.argsort(-score, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(score[order]) < 0, True))  # equal scores are decided alike
        hits = target[order].cumsum()[ends]
        best = int((2 * hits / (ends + 1 + target.sum())).argmax())
        neighbours = score[order][ends[best : best + 2]]
        thresholds.append(float(neighbours.mean()) if target.any() else 0.5)
    return thresholds
