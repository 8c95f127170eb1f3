"""How often a caller may ask."""

from __future__ import annotations

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


class Rates:
    """At most so many requests of one caller in any 60 seconds.

    Counted in this process's memory: exact for a service of one worker; with several replicas behind one address
    each allows the full rate.
    """

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def wait_s(self, caller: str, per_minute: int) -> float | None:
        """Count a request of ``caller``; None when it may pass, else the seconds until one may."""
        limit = RateLimitItemPerMinute(per_minute)
        if self._limiter.hit(limit, caller):
            return None
        return max(0.0, self._limiter.get_window_stats(limit, caller).reset_time - time.time())
