"""Multilabel: which of L names, ranked? L logits, multinomial likelihood in units of log L.

The multinomial likelihood makes labels compete for probability mass, which ranks them better than independent
binary losses do (Liang et al. 2018, 1802.05814). ADR 4 tells what it gained and how that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor
from torch.nn import functional

from polymart.tasks.base import TaskKind, label_matrix


class Multilabel(TaskKind):
    """Labels are lists of positions in the label map; the scores are shares of the next event, summing to 1."""

    name = "multilabel"

    def num_outputs(self, labels: Sequence[str] | None) -> int:
        return len(labels or ())

    def encode_labels(self, column: pd.Series, labels: Sequence[str] | None, task: str) -> np.ndarray:
        return label_matrix(column, labels, task)

    def base_outputs(self, target: Tensor, num_outputs: int) -> Tensor:
        return (target.sum(0) / target.sum().clamp(min=1)).clamp(min=1e-6).log()

    def loss(self, outputs_BO: Tensor, target: Tensor) -> Tensor:
        log_share_BO = functional.log_softmax(outputs_BO, dim=-1)
        # An example without labels has nothing to say: loss 0.
        loss_B = -(target * log_share_BO).sum(1) / target.sum(1).clamp(min=1)
        return loss_B / math.log(outputs_BO.shape[1])

    def activate(self, outputs_BO: Tensor) -> Tensor:
        return outputs_BO.softmax(-1)

    def decode(self, scores_BO: np.ndarray, labels: Sequence[str] | None, top: int = 10) -> list[dict[str, Any]]:
        names = list(labels or ())
        order = np.argsort(-scores_BO, axis=1, kind="stable")[:, :top]
        return [
            {"items": [{"label": names[i], "score": float(row[i])} for i in best]}
            for row, best in zip(scores_BO, order, strict=True)
        ]

    def summary(self, scores_BO: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
        best = scores_BO.argmax(1)
        return np.asarray(labels, dtype=object)[best], scores_BO.max(1)
