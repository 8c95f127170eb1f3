"""Binary: will it happen? One logit, binary cross-entropy in units of log 2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from polymart.errors import LabelError
from polymart.tasks.probability import Probabilistic


class Binary(Probabilistic):
    """Labels are 0 or 1; the score is the probability of 1."""

    name = "binary"

    def num_outputs(self, labels: Sequence[str] | None) -> int:
        return 1

    def encode_labels(self, column: pd.Series, labels: Sequence[str] | None, task: str) -> np.ndarray:
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float32)
        foreign = ~np.isin(values, (0.0, 1.0))
        if foreign.any():
            example = column[foreign].iloc[0]
            raise LabelError(
                f"task {task!r}: {int(foreign.sum())} labels are neither 0 nor 1, e.g. {example!r}",
                remedy="map the label column to 0 and 1",
            )
        return values

    def base_outputs(self, target: Tensor, num_outputs: int) -> Tensor:
        return torch.logit(target.mean(0, keepdim=True), eps=1e-4)

    def loss(self, outputs_BO: Tensor, target: Tensor) -> Tensor:
        target_B1 = target.unsqueeze(1)
        return self.in_units(functional.binary_cross_entropy_with_logits(outputs_BO, target_B1, reduction="none"))

    def in_units(self, nats_BO: Tensor) -> Tensor:
        return nats_BO[:, 0] / math.log(2)

    def probabilities(self, logits_BO: Tensor) -> Tensor:
        return logits_BO.sigmoid()

    def decode(self, scores_BO: np.ndarray, labels: Sequence[str] | None, top: int = 10) -> list[dict[str, Any]]:
        return [{"score": float(score)} for score in scores_BO[:, 0]]

    def summary(self, scores_BO: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
        return scores_BO[:, 0], scores_BO[:, 0]
