"""Weights by homoscedastic uncertainty (Kendall et al. 2018, 1705.07115)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from polymart.balancing.base import Balancer
from polymart.balancing.learned import LearnedNumbers
from polymart.config import Task

REGRESSION = ("count", "regression")
"""Kinds whose label is a number; all others take the classification form."""


class Uncertainty(Balancer):
    """Learns s_t = log sigma_t^2 of each task::

        regression      1/2 e^-s L + 1/2 s,   fixed point s* = log L
        classification      e^-s L + 1/2 s,   fixed point s* = log 2L

    The gradient of s is written out from the detached, all-reduced losses, and s has its own Adam without weight
    decay. TorchJD's ``UW`` is the regression form for every task, and needs all tasks in every step.
    """

    def __init__(self, tasks: Sequence[Task], learning_rate: float) -> None:
        super().__init__(tasks)
        self.scale = {task.name: 0.5 if task.kind in REGRESSION else 1.0 for task in tasks}
        self.log_variance = LearnedNumbers(self.weights, learning_rate)

    def factor(self, task: str, losses: Mapping[str, float]) -> float:
        return self.scale[task] * math.exp(-self.log_variance[task])

    def update(self, before: Mapping[str, Tensor], after: Mapping[str, Tensor] | None = None) -> None:
        self.log_variance.step({name: 0.5 - self.factor(name, {}) * float(loss) for name, loss in before.items()})

    def state_dict(self) -> dict[str, Any]:
        return {"log_variance": self.log_variance.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.log_variance.load_state_dict(state["log_variance"])
