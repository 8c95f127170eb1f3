"""Volume: the rows of a window beside the median of the windows before it.

Example tables may be sampled by split, so the reference's counts say nothing of a window's: windows are compared with
windows. The bound is the larger of a factor of two and what chance and the earlier windows' own spread make of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
import pandas as pd
from scipy.stats import median_abs_deviation, t

from monitoring.psi import CHANCE
from monitoring.schema import Signal
from monitoring.signals.rows import Found
from monitoring.window import Window

MIN_WINDOWS = 3
"""Windows before that tell what is usual."""
FACTOR = 2.0
"""Factor, up or down, that matters."""


def watch_volume(
    task: str, moments: Sequence[pd.Series], spans: Sequence[Window], newest: datetime | None, name: str = "rows"
) -> Iterator[Found]:
    """Signals of the number of rows.

    Args:
        task: the task.
        moments: event times of each window's rows.
        spans: the windows.
        newest: newest event time; of the window that holds it only the time before counts, since it is not over.
        name: what is counted.
    """
    counts, usual_s = [len(times) for times in moments], _usual_last_s(moments, spans)
    covered = [_covered(span, newest, usual_s) for span in spans]
    rates = [count / share for count, share in zip(counts, covered, strict=True)]
    for number in range(MIN_WINDOWS, len(rates)):
        before = np.log1p(rates[:number])
        usual = float(np.median(before))
        if not usual:
            continue  # monthly rows in weekly windows: most are empty, and no number of rows is news
        spread = float(median_abs_deviation(before, scale="normal"))  # one window without rows must not hide the next
        noise = np.sqrt(1 / (1 + counts[number]) + spread**2 * (1 + 1 / number))
        value = abs(float(np.log1p(rates[number])) - usual)
        threshold = max(float(np.log(FACTOR)), float(t.ppf(1 - CHANCE / 2, number - 1) * noise))
        yield (
            number,
            Signal(
                name=name, kind="volume", task=task, value=value, threshold=threshold, now=rates[number],
                usual=float(np.expm1(usual)), rows=counts[number],
                note="rows expected of the whole window" if covered[number] < 1 else "",
            ),
        )  # fmt: skip


def _usual_last_s(moments: Sequence[pd.Series], spans: Sequence[Window]) -> float:
    """Seconds into a window after which no more rows usually come: rows of a weekly count all come at one moment."""
    last = [
        (times.max() - span.start).total_seconds() for times, span in zip(moments, spans, strict=True) if len(times)
    ]
    return float(np.median(last[:-1])) if len(last) > 1 else 0.0


def _covered(span: Window, newest: datetime | None, usual_s: float) -> float:
    """Share of a window that is over, at least a tenth: less is too little to say."""
    if newest is None or (newest - span.start).total_seconds() >= usual_s:
        return 1.0
    return max(0.1, (newest - span.start).total_seconds() / usual_s)
