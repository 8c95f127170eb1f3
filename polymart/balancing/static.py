"""Static weights over unit-scaled losses: L = sum_t w_t l_t."""

from __future__ import annotations

from polymart.balancing.base import Balancer


class Static(Balancer):
    """Constant task weights w_t; each l_t is unit-scaled by its kind, so that weights compare like with like.

    Tuned static weights match or beat specialised optimisers (Xin et al. 2022; Kurin et al. 2201.04122).
    """
