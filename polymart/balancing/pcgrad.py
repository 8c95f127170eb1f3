"""Gradient surgery (Yu et al. 2020, 2001.06782)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torchjd.aggregation import PCGrad as TorchjdPCGrad

from polymart.balancing.base import Balancer
from polymart.config import Task


class PCGrad(Balancer):
    """Removes from each task's trunk gradient what points against another's, then sums::

        if g~_i . g_j < 0:  g~_i -= (g~_i . g_j / |g_j|^2) g_j,   for all j != i in random order

    The projections are TorchJD's, computed on the Gramian; a row stands for a present task, so an absent one takes
    no part. TorchJD draws its orders from the global generator, whose state is put back here: the order comes from
    the seed and the count of steps alone, the same in every process.
    """

    needs_gradients: ClassVar[bool] = True

    def __init__(self, tasks: Sequence[Task], seed: int) -> None:
        super().__init__(tasks)
        self.seed = seed
        self.steps = 0
        self.project = TorchjdPCGrad()

    def aggregate(self, gradients_TP: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(np.random.default_rng([self.seed, self.steps]).integers(2**63)))
            return self.project(gradients_TP)

    def update(self, before: Mapping[str, Tensor], after: Mapping[str, Tensor] | None = None) -> None:
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps = int(state["steps"])
