"""Slow creep: means of windows that go one way, each step too small to be seen by itself.

Kendall's tau over the windows so far tells whether they rise or fall together (exact for few windows; seven in perfect
order pass one in a thousand). Its size must exceed a floor and twice the pace of the reference itself, since some
features grow by nature (days since the first purchase).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from monitoring.psi import CHANCE
from monitoring.schema import Signal
from monitoring.signals.means import MIN_CLUSTERS
from monitoring.signals.rows import Found, Rows
from polymart.config import Task

MIN_WINDOWS = 7
"""Fewer windows are never in an order that chance would not make."""
FLOOR = 0.2
"""Rise over all windows that matters, in standard deviations of the reference."""


def watch_creep(task: Task, rows: Rows) -> Iterator[Found]:
    """Signals of the numeric inputs.

    Args:
        task: the task.
        rows: example rows with event times.
    """
    for column in task.inputs.numeric:
        if not rows.has(column):
            continue
        unit = float(rows.reference[column].std())
        if not unit > 0:
            continue
        pace = _pace([_mean(part, column) / unit for part in rows.past_windows])
        means = [_mean(part, column) / unit for part in rows.windows]
        for number in range(MIN_WINDOWS - 1, len(means)):
            value, threshold = creep(means[: number + 1], pace)
            yield (
                number,
                Signal(
                    name="creep", kind="creep", task=task.name, column=column, value=value, threshold=threshold,
                    now=means[number] * unit, usual=float(rows.reference[column].mean()),
                    rows=len(rows.windows[number]),
                ),
            )  # fmt: skip


def creep(means: list[float], pace: float) -> tuple[float, float]:
    """How far windows went one way, and the bound; 0 where chance alone would order them so.

    Args:
        means: of the windows so far, in standard deviations; missing ones are left out.
        pace: change from window to window that is usual.
    """
    known = np.array([mean for mean in means if np.isfinite(mean)])
    threshold = max(FLOOR, 2 * abs(pace) * (len(known) - 1))
    if len(known) < MIN_WINDOWS or not kendalltau(np.arange(len(known)), known).pvalue < CHANCE:
        return 0.0, threshold
    return abs(_pace(list(known))) * (len(known) - 1), threshold


def _pace(means: list[float]) -> float:
    """Change from window to window, by least squares."""
    known = np.array([mean for mean in means if np.isfinite(mean)])
    return float(np.polyfit(np.arange(len(known)), known, 1)[0]) if len(known) > 2 else 0.0


def _mean(rows: pd.DataFrame, column: str) -> float:
    known = rows.dropna(subset=[column])
    return float(known[column].mean()) if known["cluster"].nunique() >= MIN_CLUSTERS else float("nan")
