"""Count: how many units? Quantiles of log1p(units), pinball loss.

The head emits two quantiles on the log1p scale: the median (the forecast) and ``task.quantile`` (the level that a
safety stock covers). A quantile passes unchanged through a monotone transform, so expm1 of it is the quantile in
units. The median minimises absolute error, hence WAPE.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from polymart.config import Task
from polymart.errors import LabelError
from polymart.tasks.base import TargetStatistics, TaskKind


class Count(TaskKind):
    """Labels are numbers >= 0 in units; the scores are quantiles in units, ascending."""

    name = "count"

    def __init__(self, quantile: float = 0.9) -> None:
        self.levels = (0.5, quantile)

    def bind(self, task: Task, statistics: TargetStatistics) -> TaskKind:
        return Count(task.quantile)

    def num_outputs(self, labels: Sequence[str] | None) -> int:
        return len(self.levels)

    def encode_labels(self, column: pd.Series, labels: Sequence[str] | None, task: str) -> np.ndarray:
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float32)
        foreign = ~np.isfinite(values) | (values < 0)
        if foreign.any():
            raise LabelError(
                f"task {task!r}: {int(foreign.sum())} labels are not numbers >= 0, e.g. {column[foreign].iloc[0]!r}",
                remedy="drop or correct those rows",
            )
        return values

    def base_outputs(self, target: Tensor, num_outputs: int) -> Tensor:
        return torch.log1p(torch.quantile(target, torch.tensor(self.levels)))

    def loss(self, outputs_BO: Tensor, target: Tensor) -> Tensor:
        level_O = torch.tensor(self.levels, dtype=outputs_BO.dtype, device=outputs_BO.device)
        error_BO = torch.log1p(target)[:, None] - outputs_BO
        # Mean pinball loss, Koenker & Bassett 1978; times 4 brings the median's term to 2|error|, near 1 at the start.
        return 4 * torch.maximum(level_O * error_BO, (level_O - 1) * error_BO).mean(1)

    def activate(self, outputs_BO: Tensor) -> Tensor:
        return torch.expm1(outputs_BO.clamp(0.0, 20.0)).cummax(1).values

    def decode(self, scores_BO: np.ndarray, labels: Sequence[str] | None, top: int = 10) -> list[dict[str, Any]]:
        names = [f"q{100 * level:g}" for level in self.levels]
        return [dict(zip(names, map(float, row), strict=True)) for row in scores_BO]

    def summary(self, scores_BO: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
        return scores_BO[:, 0], scores_BO[:, 0]
