"""What an experiment tells Prometheus; imported in a worker only, where BentoML has said where metrics go."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

REQUESTS = Counter(
    "polymart_variant_requests",
    "Answers by variant; where another variant's status is not 200, this server answered in its place",
    ["variant", "endpoint", "status"],
)
LATENCY = Histogram(
    "polymart_variant_latency_seconds",
    "Seconds until a variant had answered",
    ["variant", "endpoint"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
SHADOWS = Counter(
    "polymart_shadow_requests", "Copies for the shadow: answered, failed, or skipped", ["variant", "outcome"]
)
COMPARED = Counter("polymart_shadow_compared", "Answers of the shadow compared with those returned",
                   ["variant", "endpoint"])  # fmt: skip
SAME_BEST = Counter("polymart_shadow_same_best", "Compared answers whose best entries are the same",
                    ["variant", "endpoint"])  # fmt: skip
