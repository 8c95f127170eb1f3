"""The tail that a queue alone makes, on a machine that does nothing else."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

REQUESTS = 50_000
MOST_CORES = 64


def queue_tail(
    alone_ms: Sequence[float], cores: int, busy: float, *, even: bool = False, requests: int = REQUESTS, seed: int = 17
) -> float:
    """p99 of a queue in order of arrival over the median of its requests when they are alone.

    Each request keeps one core for as long as some request took alone, drawn at random, and nothing else takes time
    (G/G/c in Kendall's notation). A yardstick, not a bound: a service that answers requests together, or one on several
    cores, is another queue.

    Args:
        alone_ms: times of requests that were alone, at least one.
        cores: that serve one request each, at least 1.
        busy: share of the cores' time that the requests take, in (0, 1).
        even: arrivals evenly spaced instead of at random times (a Poisson process).
        requests: how many arrive.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    took_ms = random.choice(np.asarray(alone_ms, float), requests)
    gap_ms = float(np.mean(alone_ms)) / (cores * busy)
    due_ms = np.cumsum(np.full(requests, gap_ms) if even else random.exponential(gap_ms, requests))
    free_ms = [0.0] * cores
    latency_ms = np.empty(requests)
    for number, (due, took) in enumerate(zip(due_ms.tolist(), took_ms.tolist(), strict=True)):
        done = max(due, free_ms[0]) + took
        heapq.heapreplace(free_ms, done)
        latency_ms[number] = done - due
    return float(np.percentile(latency_ms, 99) / np.median(alone_ms))


def cores_needed(alone_ms: Sequence[float], busy: float, most: float) -> int:
    """The fewest cores on which `queue_tail` at random times is at most ``most``; 0 if `MOST_CORES` are too few."""
    return next((cores for cores in range(1, MOST_CORES + 1) if queue_tail(alone_ms, cores, busy) <= most), 0)
