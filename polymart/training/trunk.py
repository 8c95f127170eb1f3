"""The gradient of each task on the parameters that all tasks share.

Shape suffix: P parameters of the trunk.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Trunk:
    """The trainable parameters outside the heads, and their gradient as one vector."""

    def __init__(self, model: nn.Module) -> None:
        named = model.named_parameters()
        self.parameters = [p for name, p in named if p.requires_grad and not name.startswith("heads.")]
        self._touched: dict[int, Tensor] = {}

    def take(self) -> Tensor | None:
        """The gradient, shape (P,), taken off the parameters; None where none has one (a task without text)."""
        found = {i: p.grad for i, p in enumerate(self.parameters) if p.grad is not None}
        if not found:
            return None
        self._touched |= found
        parts = [found[i] if i in found else torch.zeros_like(p) for i, p in enumerate(self.parameters)]
        for parameter in self.parameters:
            parameter.grad = None
        return torch.cat([part.flatten() for part in parts])

    def put(self, gradient_P: Tensor) -> None:
        """Give the parameters that any task has touched since the last call their part of ``gradient_P``."""
        parts = gradient_P.split([p.numel() for p in self.parameters])
        for i, gradient in self._touched.items():
            gradient.copy_(parts[i].view_as(gradient))
            self.parameters[i].grad = gradient
        self._touched = {}
