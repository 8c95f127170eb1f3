"""Clipping each task's gradient on the shared trunk by itself, so that one task cannot drown the others.

Shape suffix: P parameters of the trunk.
"""

from __future__ import annotations

import torch
from torch import Tensor


def trunk_contribution(gradient_P: Tensor, weight: Tensor | float, limit: float | None = None) -> tuple[Tensor, Tensor]:
    """w min(1, tau / |g|) g, one task's part of the trunk's gradient; its norm is at most w tau.

    Args:
        gradient_P: the gradient g of the task's loss, unscaled after mixed precision.
        weight: the task's factor w in this step.
        limit: largest norm tau of g; None for no limit, which leaves w g.

    Returns:
        The contribution and the norm of g before clipping.
    """
    norm = torch.linalg.vector_norm(gradient_P)
    if limit is None:
        return gradient_P * weight, norm
    return gradient_P * (weight * (limit / norm).clamp(max=1.0)), norm
