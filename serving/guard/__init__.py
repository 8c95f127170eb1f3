"""What stands between a caller and the endpoints: keys and scopes, rates, load, bodies, drain.

A request passes, from the outside in: `paths` (unknown paths end here), `drain` (a worker that is about to stop),
`access` (who calls, what it may call and how often), `load` (how many at once and how long), `bodies` (what the
contract can hold). Each refuses with JSON ``{"error", "remedy"}``; whoever should come back hears ``Retry-After``.
"""

from serving.guard.bodies import MAX_BODY
from serving.guard.middleware import Guard
from serving.guard.release import verify_release

__all__ = ["MAX_BODY", "Guard", "verify_release"]
