"""Kinds whose outputs are logits: two passes can be asked to agree, and a temperature makes scores mean what they say.

Temperature scaling (Guo et al. 2017, 1706.04599): p = sigmoid(z / T) or softmax(z / T), where the logits z are the
head's outputs and T > 0 minimises the log loss of validation rows. One number for a head cannot overfit, and no
order of scores within an example or a label changes, hence no ranking and no choice of the likeliest class. T = 1
leaves the head as it is, T > 1 makes it less sure of itself.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor

from polymart.config import Task
from polymart.tasks.base import TargetStatistics, TaskKind

TEMPERATURES = (0.1, 10.0)
"""Where a temperature is looked for: rows that a head tells apart without a mistake would ask for 0."""


class LogitKind(TaskKind):
    """Base of the kinds whose outputs are logits of probabilities."""

    @abstractmethod
    def probabilities(self, logits_BO: Tensor) -> Tensor:
        """What the logits say, shape (B, O)."""

    @abstractmethod
    def in_units(self, nats_BO: Tensor) -> Tensor:
        """Parts of a divergence or a log loss, in nats, as the loss of each example, shape (B,)."""

    def disagreement(self, first_BO: Tensor, second_BO: Tensor) -> Tensor:
        """How far two answers to the same examples lie apart, shape (B,), in the units of the loss.

        The mean of both Kullback-Leibler divergences (Liang et al. 2021, 2106.14448): for logits z and w with
        probabilities p and q it is sum (p - q) (z - w) / 2, for one label as for a choice among many.
        """
        p_BO, q_BO = self.probabilities(first_BO), self.probabilities(second_BO)
        return self.in_units((p_BO - q_BO) * (first_BO - second_BO) / 2)


class Probabilistic(LogitKind):
    """Base of the kinds whose scores are those probabilities, at a temperature."""

    def __init__(self, temperature: float = 1.0) -> None:
        self.temperature = temperature

    def bind(self, task: Task, statistics: TargetStatistics) -> TaskKind:
        return type(self)(statistics.temperature)

    def activate(self, outputs_BO: Tensor) -> Tensor:
        return self.probabilities(outputs_BO / self.temperature)


def best_temperature(kind: Probabilistic, outputs_NO: Tensor, target: Tensor) -> float:
    """The temperature T with the least log loss.

    Args:
        kind: its loss is the log loss of logits, up to a factor.
        outputs_NO: the head's logits for N rows.
        target: the labels of those rows, as the loss takes them.
    """
    outputs_NO = outputs_NO.double()
    target = target.double() if target.is_floating_point() else target

    from scipy.optimize import minimize_scalar  # half a second that a server, which fits nothing, does without

    @torch.no_grad()
    def loss(log_temperature: float) -> float:
        return float(kind.loss(outputs_NO / math.exp(log_temperature), target).mean())

    found = minimize_scalar(loss, bounds=[math.log(bound) for bound in TEMPERATURES], method="bounded")
    return math.exp(found.x)
