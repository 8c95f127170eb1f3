"""What every balancing method provides: how much each task's gradient counts in one step.

Shape suffixes: T tasks of the step, P parameters of the shared trunk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from polymart.config import Task


class Balancer:
    """Weighs the tasks of a step; by itself, it knows static weights and a plain sum.

    A new method is one new file with one subclass that changes what it must, made by `make_balancer`.

    A step seldom holds every task: ``losses`` and gradients name only those that were drawn, and an absent task
    neither counts nor learns in that step. On several processes each method sees all-reduced losses, so that its
    numbers, kept in double precision on the processor, are the same everywhere.
    """

    needs_gradients: ClassVar[bool] = False
    """`aggregate` must see the trunk gradient of every task."""
    needs_losses: ClassVar[bool] = False
    """`coefficients` reads this step's losses, so gradients are scaled after the backward passes."""
    needs_losses_after: ClassVar[bool] = False
    """`update` wants the losses of the same batches after the optimiser's step."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.weights = {task.name: task.weight for task in tasks}

    def factor(self, task: str, losses: Mapping[str, float]) -> float:
        """What the method makes of ``task``, on top of its static weight."""
        return 1.0

    def coefficients(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The factor of each present task's gradient, static weight included.

        Args:
            losses: the detached mean loss of each task of the step; methods without ``needs_losses`` read only
                the names.
        """
        numbers = {name: float(loss) for name, loss in losses.items()} if self.needs_losses else {}
        return {name: torch.tensor(self.weights[name] * self.factor(name, numbers)) for name in losses}

    def aggregate(self, gradients_TP: Tensor) -> Tensor:
        """One trunk gradient, shape (P,), of the present tasks' gradients, already weighted and clipped."""
        return gradients_TP.sum(0)

    def update(self, before: Mapping[str, Tensor], after: Mapping[str, Tensor] | None = None) -> None:
        """Learn from one step.

        Args:
            before: the losses that the step was computed from.
            after: the losses of the same batches after it; given where ``needs_losses_after``.
        """

    def end_epoch(self) -> None:
        """Called at every validation."""

    def state_dict(self) -> dict[str, Any]:
        """All that resuming needs, as plain JSON values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from ``state`` as if training had never stopped."""


def softmax(logits: Mapping[str, float]) -> dict[str, float]:
    """Positive shares that sum to 1."""
    top = max(logits.values())
    powers = {name: math.exp(logit - top) for name, logit in logits.items()}
    return {name: power / sum(powers.values()) for name, power in powers.items()}
