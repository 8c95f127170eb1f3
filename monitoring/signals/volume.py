"""Volume: the rows of a window beside the median of the windows before it.

Example tables may be sampled by split, so the reference's counts say nothing of a window's: windows are compared with
windows. The bound is the larger of a factor of two and what chance and the earlier windows' own spread make of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
from scipy.stats import median_abs_deviation, norm

from monitoring.psi import CHANCE
from monitoring.schema import Signal
from monitoring.signals.rows import Found
from monitoring.window import Window

MIN_WINDOWS = 3
"""Windows before that tell what is usual."""
FACTOR = 2.0
"""Factor, up or down, that matters."""


def watch_volume(
    task: str, counts: Sequence[int], spans: Sequence[Window], newest: datetime | None, name: str = "rows"
) -> Iterator[Found]:
    """Signals of the number of rows.

    Args:
        task: the task.
        counts: rows of each window.
        spans: their event times.
        newest: newest event time; of the window that holds it only the time before counts, since it is not over.
        name: what is counted.
    """
    rates = [count / _covered(span, newest) for count, span in zip(counts, spans, strict=True)]
    for number in range(MIN_WINDOWS, len(rates)):
        before = np.log1p(rates[:number])
        usual = float(np.median(before))
        spread = float(median_abs_deviation(before, scale="normal"))  # one window without rows must not hide the next
        noise = np.sqrt(1 / (1 + counts[number]) + spread**2 * (1 + 1 / number))
        value = abs(float(np.log1p(rates[number])) - usual)
        threshold = max(float(np.log(FACTOR)), float(norm.ppf(1 - CHANCE / 2) * noise))
        yield (
            number,
            Signal(
                name=name, kind="volume", task=task, value=value, threshold=threshold, now=rates[number],
                usual=float(np.expm1(usual)), rows=counts[number],
                note="rows expected of the whole window" if _covered(spans[number], newest) < 1 else "",
            ),
        )  # fmt: skip


def _covered(span: Window, newest: datetime | None) -> float:
    """Share of a window that is over, at least a tenth: less is too little to say."""
    if newest is None or newest >= span.end:
        return 1.0
    return max(0.1, (newest - span.start) / (span.end - span.start))
