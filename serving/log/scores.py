"""What answers tell Prometheus within minutes, long before labels: k8s/components/canary judges by it."""

from __future__ import annotations

from functools import cache
from typing import Any

BUCKETS = tuple(tenth / 10 for tenth in range(11))


def count_answer(task: str, score: float | None, *, degraded: bool) -> None:
    """Count one answer: its score, where it has one, and whether defaults stood in for features."""
    scores, on_defaults = _metrics()
    if score is not None:
        scores.labels(task).observe(score)
    if degraded:
        on_defaults.labels(task).inc()


@cache
def _metrics() -> tuple[Any, Any]:
    from prometheus_client import Counter, Histogram  # in a worker only, where BentoML has said where metrics go

    return (
        Histogram("polymart_prediction_score", "Scores of answers", ["task"], buckets=BUCKETS),
        Counter("polymart_prediction_degraded", "Answers on defaults, for want of features", ["task"]),
    )
