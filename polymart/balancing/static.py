"""Static weights over unit-scaled losses: L = sum_t w_t l_t."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from polymart.balancing.base import Balancer


class Static(Balancer):
    """Constant task weights w_t; each l_t is unit-scaled by its kind, so that weights compare like with like.

    Tuned static weights match or beat specialised optimisers (Xin et al. 2022; Kurin et al. 2201.04122).
    """


class StaticWeights:
    """Constant task weights w_t; each l_t is unit-scaled by its kind, so that weights compare like with like."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = dict(weights)

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the losses of the tasks present in a step."""
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()
