"""Regression: which number? One output on the scale of z-scored labels, twice the Huber loss.

Twice the Huber loss is z^2 near the label and grows by 2|z| beyond one deviation, so that a label far away pulls no
harder than one at a distance of a deviation. Predicting the mean costs about 0.85 for normal labels.
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
from polymart.errors import LabelError
from polymart.tasks.base import TargetStatistics, TaskKind


class Regression(TaskKind):
    """Labels are finite numbers; the score is a number in the same units."""

    name = "regression"

    def __init__(self, mean: float = 0.0, scale: float = 1.0) -> None:
        self.mean, self.scale = mean, scale

    def fit(self, target: Tensor) -> TargetStatistics:
        mean, scale = float(target.double().mean()), float(target.double().std(correction=0))
        # A constant leaves only rounding errors as deviation.
        return TargetStatistics(mean=mean, scale=scale if scale > 1e-6 * max(1.0, abs(mean)) else 1.0)

    def bind(self, task: Task, statistics: TargetStatistics) -> TaskKind:
        return Regression(statistics.mean, statistics.scale)

    def num_outputs(self, labels: Sequence[str] | None) -> int:
        return 1

    def encode_labels(self, column: pd.Series, labels: Sequence[str] | None, task: str) -> np.ndarray:
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float32)
        foreign = ~np.isfinite(values)
        if foreign.any():
            raise LabelError(
                f"task {task!r}: {int(foreign.sum())} labels are not finite numbers, e.g. {column[foreign].iloc[0]!r}",
                remedy="drop or correct those rows",
            )
        return values

    def base_outputs(self, target: Tensor, num_outputs: int) -> Tensor:
        return torch.zeros(1)

    def loss(self, outputs_BO: Tensor, target: Tensor) -> Tensor:
        return 2 * functional.huber_loss(outputs_BO[:, 0], (target - self.mean) / self.scale, reduction="none")

    def activate(self, outputs_BO: Tensor) -> Tensor:
        return self.mean + self.scale * outputs_BO

    def decode(self, scores_BO: np.ndarray, labels: Sequence[str] | None, top: int = 10) -> list[dict[str, Any]]:
        return [{"score": float(score)} for score in scores_BO[:, 0]]

    def summary(self, scores_BO: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
        return scores_BO[:, 0], scores_BO[:, 0]
