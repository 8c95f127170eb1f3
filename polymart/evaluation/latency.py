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
    """Answer rows of each task one at a time; the first answer of a task only warms it up."""
    seconds, share = [], max(1, NUM_REQUESTS // len(requests))
    for task, rows in requests.items():
        predictor.answer(task, rows.iloc[:1])
        for place in range(min(share, len(rows))):
            started = perf_counter()
            predictor.answer(task, rows.iloc[place : place + 1])
            seconds.append(perf_counter() - started)
    p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1000
    return Latency(p50_ms=float(p50), p99_ms=float(p99), num_requests=len(seconds))


def size_mb(checkpoint: Path) -> float:
    """Megabytes of all files of a checkpoint."""
    return sum(path.stat().st_size for path in checkpoint.rglob("*") if path.is_file()) / 1e6
