"""The processes of one training, each with the same schedule and a share of every micro-batch's rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from torch import Tensor, distributed, nn

TIMEOUT_S = 60
"""Longest wait for another process: one that died without a word (its machine, its network) ends the training."""


@dataclass(frozen=True)
class World:
    """Which of how many processes this is; by itself, one process alone."""

    rank: int = 0
    size: int = 1
    sharded: bool = False
    """Whether every process keeps only its shard of the trunk (FSDP2)."""

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

    def total_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients of ``parameters`` over all processes, as one message."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.size == 1 or not gradients:
            return
        flat = self.total(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """``tensor`` of every process, all of one shape."""
        if self.size == 1:
            return [tensor]
        gathered = [torch.empty_like(tensor) for _ in range(self.size)]
        distributed.all_gather(gathered, tensor.contiguous())
        return gathered

    def copy_from_first(self, module: nn.Module) -> None:
        """Give ``module`` the first process's weights."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                distributed.broadcast(tensor, 0)


ALONE = World()


@contextmanager
def joined(sharded: bool) -> Iterator[World]:
    """Join the processes that torchrun started: gloo between processors, nccl between GPUs."""
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if cuda else "gloo", timeout=timedelta(seconds=TIMEOUT_S))
    try:
        yield World(distributed.get_rank(), distributed.get_world_size(), sharded)
    finally:
        distributed.destroy_process_group()
