"""How long a request takes and how much is shipped: measured here without a server, gated again on the bento."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd

from polymart.evaluation.records import Latency
from polymart.model.predictor import Predictor

NUM_REQUESTS = 100
"""Requests over all tasks together, at least one of each."""


def requests_of(test: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Rows of one task that may be asked for one by one."""
    return test.sample(min(NUM_REQUESTS, len(test)), random_state=seed)


def measure_latency(predictor: Predictor, requests: Mapping[str, pd.DataFrame]) -> Latency:
    """Answer rows of each task one at a time, and tell of the slowest task: a fast one must not hide it.

    The first answer of a task only warms it up.
    """
    slowest, share = (0.0, 0.0, "", 0), max(1, NUM_REQUESTS // len(requests))
    for task, rows in requests.items():
        predictor.answer(task, rows.iloc[:1])
        seconds = []
        for place in range(min(share, len(rows))):
            started = perf_counter()
            predictor.answer(task, rows.iloc[place : place + 1])
            seconds.append(perf_counter() - started)
        p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1000
        slowest = max(slowest, (float(p50), float(p99), task, len(seconds)))
    return Latency(p50_ms=slowest[0], p99_ms=slowest[1], task=slowest[2], num_requests=slowest[3])


def size_mb(checkpoint: Path) -> float:
    """Megabytes of all files of a checkpoint."""
    return sum(path.stat().st_size for path in checkpoint.rglob("*") if path.is_file()) / 1e6
