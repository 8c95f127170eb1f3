"""Which variant a household belongs to.

Weighted rendezvous hashing (Schindelhauer & Schomaker, "Weighted Distributed Hash Tables", SPAA 2005, logarithmic
method): every variant v with weight w_v draws u_v in (0, 1) from a hash of salt, variant and unit, and the smallest
-ln(u_v) / w_v wins. These are exponential variables of rate w_v, so v wins with probability w_v / sum of w. A draw
depends on no other variant: when one weight changes, units move only to or from that variant, and no more than they
must.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from hashlib import blake2b

MAX_PARSED = 64 * 1024
"""Bytes; longer bodies hold a picture and no household."""


def assign(unit: str, salt: str, weights: Mapping[str, float]) -> str:
    """The variant of ``unit`` among those with a weight above 0; always the same for the same arguments."""
    races = {
        name: -math.log(_draw(salt, "variant", name, unit)) / weight for name, weight in weights.items() if weight > 0
    }
    return min(races, key=races.__getitem__)


def in_share(unit: str, salt: str, share: float) -> bool:
    """Whether ``unit`` belongs to a ``share`` of all units; one that grows keeps whom it has."""
    return _draw(salt, "share", unit) < share


def unit_of(body: bytes) -> str:
    """Who or what sticks to a variant: the household, or the same question where none is named."""
    if len(body) <= MAX_PARSED:
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            asked = None  # whichever variant gets it refuses it
        if isinstance(asked, dict) and isinstance(asked.get("household_id"), int):
            return f"household:{asked['household_id']}"
    return f"body:{blake2b(body, digest_size=16).hexdigest()}"


def _draw(*parts: str) -> float:
    """Uniform in (0, 1)."""
    digest = blake2b("\0".join(parts).encode(), digest_size=7).digest()  # 56 bits, of which a float keeps 53
    return ((int.from_bytes(digest) >> 3) + 0.5) / 2**53
