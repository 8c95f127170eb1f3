"""The gradient of each task on the parameters that all tasks share.

Shape suffixes: T tasks, P parameters of the trunk (of this process's shard where the trunk is sharded).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polymart.training.sharding import local
from polymart.training.world import World

OWN = ("heads.", "branches.")
"""Parameters that belong to one task."""


class Trunk:
    """The trainable parameters that belong to no single task, and their gradient as one vector."""

    def __init__(self, model: nn.Module, world: World) -> None:
        named = model.named_parameters()
        self.parameters = [p for name, p in named if p.requires_grad and not name.startswith(OWN)]
        self.world, self._touched = world, dict[int, Tensor]()

    def take(self) -> Tensor | None:
        """The gradient, shape (P,), taken off the parameters; None where none has one (a task without text)."""
        found = {i: p.grad for i, p in enumerate(self.parameters) if p.grad is not None}
        if not found:
            return None
        self._touched |= found
        parts = [local(found[i]) if i in found else torch.zeros_like(local(p)) for i, p in enumerate(self.parameters)]
        for parameter in self.parameters:
            parameter.grad = None
        return torch.cat([part.flatten() for part in parts])

    def put(self, gradient_P: Tensor) -> None:
        """Give the parameters that any task has touched since the last call their part of ``gradient_P``."""
        parts = gradient_P.split([local(p).numel() for p in self.parameters])
        for i, gradient in self._touched.items():
            local(gradient).copy_(parts[i].view_as(local(gradient)))
            self.parameters[i].grad = gradient
        self._touched = {}

    def total(self, gradients_TP: Tensor) -> Tensor:
        """The gradients of all processes: their sum, or side by side where each process has a shard.

        Shards are padded with zeros to one length: norms, cosines and projections do not see them.
        """
        if not self.world.sharded:
            return self.world.total(gradients_TP)
        longest = max(
            int(n) for n in self.world.gather(torch.tensor(gradients_TP.shape[1], device=gradients_TP.device))
        )
        padded = nn.functional.pad(gradients_TP, (0, longest - gradients_TP.shape[1]))
        return torch.cat(self.world.gather(padded), 1)

    def mine(self, gradient: Tensor) -> Tensor:
        """This process's part, shape (P,), of a gradient of all processes."""
        if not self.world.sharded:
            return gradient
        length = sum(local(p).numel() for p in self.parameters)
        return gradient.chunk(self.world.size)[self.world.rank][:length]
