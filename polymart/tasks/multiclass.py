"""Multiclass: which one of C names? C logits, cross-entropy in units of log C."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor
from torch.nn import functional

from polymart.tasks.base import label_indices
from polymart.tasks.probability import Probabilistic


class Multiclass(Probabilistic):
    """Labels are strings of the label map; the scores are class probabilities."""

    name = "multiclass"

    def num_outputs(self, labels: Sequence[str] | None) -> int:
        return len(labels or ())

    def encode_labels(self, column: pd.Series, labels: Sequence[str] | None, task: str) -> np.ndarray:
        return label_indices(column, labels, task)

    def base_outputs(self, target: Tensor, num_outputs: int) -> Tensor:
        # The loss of a class that training never shows must stay finite.
        return (target.bincount(minlength=num_outputs).float() / len(target)).clamp(min=1e-6).log()

    def loss(self, outputs_BO: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(outputs_BO, target, reduction="none") / math.log(outputs_BO.shape[1])

    def in_units(self, nats_BO: Tensor) -> Tensor:
        return nats_BO.sum(1) / math.log(nats_BO.shape[1])

    def probabilities(self, logits_BO: Tensor) -> Tensor:
        return logits_BO.softmax(-1)

    def decode(self, scores_BO: np.ndarray, labels: Sequence[str] | None, top: int = 10) -> list[dict[str, Any]]:
        names = list(labels or ())
        order = np.argsort(-scores_BO, axis=1, kind="stable")[:, :top]
        return [
            {"label": names[best[0]], "score": float(row[best[0]]), "scores": {names[i]: float(row[i]) for i in best}}
            for row, best in zip(scores_BO, order, strict=True)
        ]

    def summary(self, scores_BO: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
        best = scores_BO.argmax(1)
        return np.asarray(labels, dtype=object)[best], scores_BO.max(1)
