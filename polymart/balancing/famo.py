"""Fast adaptive multitask optimisation (Liu et al. 2023, 2306.03792)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from polymart.balancing.base import Balancer, softmax
from polymart.balancing.learned import LearnedNumbers
from polymart.config import Task

EPSILON = 1e-8
DECAY = 1e-3
"""Weight decay of the logits, gamma of the paper's algorithm 2."""


class Famo(Balancer):
    """Lets all losses fall at the same relative rate, from the losses alone::

        loss = c sum_i z_i log(l_i + eps),   z = softmax(w),   c = 1 / sum_i z_i / (l_i + eps), held constant

    so a gradient's factor is c z_i / (l_i + eps), and the factors of all tasks sum to 1. After the step, Adam moves
    w along the gradient J_softmax^T (log l_before - log l_after): the logit of a slower task rises.

    A step that lacks a task takes that task's last loss in c (1, the unit scale, before the first), so that a
    factor does not depend on the company; w learns among the present tasks. TorchJD's ``FAMO`` has the same
    formulas, but needs all tasks in every step and keeps its Adam out of its ``state_dict``.
    """

    needs_losses: ClassVar[bool] = True
    needs_losses_after: ClassVar[bool] = True

    def __init__(self, tasks: Sequence[Task], learning_rate: float) -> None:
        super().__init__(tasks)
        self.logits = LearnedNumbers(self.weights, learning_rate, DECAY)
        self.last = dict.fromkeys(self.weights, 1.0)

    def _shares(self, names: Iterable[str]) -> dict[str, float]:
        return softmax({name: self.logits[name] for name in names})

    def factor(self, task: str, losses: Mapping[str, float]) -> float:
        share = self._shares(self.weights)
        pull = {name: share[name] / (loss + EPSILON) for name, loss in {**self.last, **losses}.items()}
        return pull[task] / sum(pull.values())

    def update(self, before: Mapping[str, Tensor], after: Mapping[str, Tensor] | None = None) -> None:
        assert after is not None, "FAMO learns from the losses after the step"
        self.last |= {name: float(loss) for name, loss in before.items()}
        if len(before) < 2:
            return  # one task alone says nothing about relative rates
        share = self._shares(before)
        fall = {
            name: math.log(float(loss) + EPSILON) - math.log(float(after[name]) + EPSILON)
            for name, loss in before.items()
        }
        mean = sum(share[name] * fall[name] for name in fall)
        self.logits.step({name: share[name] * (fall[name] - mean) for name in fall})

    def state_dict(self) -> dict[str, Any]:
        return {"logits": self.logits.state_dict(), "last": dict(self.last)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.logits.load_state_dict(state["logits"])
        # In the order of the tasks, on which the last bit of a sum depends.
        self.last = {name: state["last"][name] for name in self.weights}
