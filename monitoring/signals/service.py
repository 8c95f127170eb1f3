"""The service as its prediction log tells it: latency, degraded and empty answers, and their number.

The log holds answers only. Requests that were refused or failed stand in the service's metrics, which Prometheus
watches (`monitoring/alerts/rules.yaml`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from monitoring.schema import Signal
from monitoring.signals.means import compare_means
from monitoring.signals.rows import Found, Rows, cut
from monitoring.signals.volume import watch_volume
from monitoring.window import Window
from polymart.config import Task

LATENCY_FLOOR = 0.5
"""Change of the mean log2 latency that matters: a factor of 1.41."""
SHARE_FLOOR = 0.01
"""Rise of the share of degraded, empty or slow answers that matters."""


def watch_service(
    task: Task, rows: Rows, spans: Sequence[Window], newest: datetime | None, slow_ms: float
) -> Iterator[Found]:
    """Signals of one task's answers.

    Args:
        task: the task.
        rows: rows of the log with ``latency_ms``, ``score`` and ``degraded``; the reference is the log before.
        spans: the windows' event times.
        newest: newest event time of the log.
        slow_ms: answers that take longer are slow.
    """
    measured = rows.map(
        lambda part: part.assign(
            latency=np.log2(part["latency_ms"].astype(float).clip(lower=0.01)),
            slow=(part["latency_ms"] > slow_ms).astype(float).where(part["latency_ms"].notna()),
            degraded=part["degraded"].astype("boolean").fillna(False).astype(float),
            empty=part["score"].isna().astype(float),
        )
    )
    for number, change in compare_means(measured, "latency", LATENCY_FLOOR):
        # In milliseconds again: the geometric mean.
        now, usual = (None if log is None else float(2**log) for log in (change.now, change.usual))
        change = change._replace(now=now, usual=usual)
        yield number, Signal(name="latency in ms", kind="service", task=task.name, **change._asdict())
    for column, name in (
        ("slow", f"answers over {slow_ms:g} ms"),
        ("degraded", "degraded answers"),
        ("empty", "empty answers"),
    ):
        for number, change in compare_means(measured, column, SHARE_FLOOR, sign=1):
            yield number, Signal(name=name, kind="service", task=task.name, **change._asdict())
    moments = [part["event_timestamp"] for part in rows.windows]
    yield from watch_volume(task.name, moments, spans, newest, "answers")


def log_rows(answers: pd.DataFrame, spans: Sequence[Window], window_days: int) -> Rows:
    """Answers beside the log of the time before the first window, or else beside the first window with answers.

    Args:
        answers: rows of the log of one task, with ``cluster``.
        spans: the windows' event times.
        window_days: length of a window.
    """
    windows = list(cut(answers, spans))
    before = answers[answers["event_timestamp"] < spans[0].start]
    if before.empty:
        first = next((number for number, part in enumerate(windows) if len(part)), None)
        if first is not None:
            before, windows[first] = windows[first], windows[first].iloc[:0]
    return Rows.of(before, windows, window_days)
