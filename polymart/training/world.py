"""The processes of one training, each with the same schedule and a share of every micro-batch's rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class World:
    """Which of how many processes this is; by itself, one process alone."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def share(self, rows: np.ndarray, whole: int | None = None) -> tuple[np.ndarray, float]:
        """This process's part of ``rows`` and its weight.

        A process that would get none takes the first row with weight 0: every process then runs the same passes,
        touches the same parameters and meets the others in every collective operation.

        Args:
            rows: row positions, the same in every process.
            whole: a number by which all rows go to one process in turn, where they must not be parted.
        """
        mine = rows[self.rank :: self.size]
        if whole is not None:
            mine = rows if whole % self.size == self.rank else rows[:0]
        return (mine, 1.0) if len(mine) else (rows[:1], 0.0)

    def total(self, tensor: Tensor) -> Tensor:
        """Sum ``tensor`` over all processes, in place."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def total_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sum the gradients of ``parameters`` over all processes, as one message."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.size == 1 or not gradients:
            return
        flat = self.total(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


ALONE = World()
