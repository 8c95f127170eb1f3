"""Image drift: brightness, contrast, sharpness, and pictures that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from monitoring.schema import Signal
from monitoring.signals.means import compare_means
from monitoring.signals.rows import Found, Rows, sample
from polymart.config import Task
from polymart.errors import TableError

SAMPLE = 500
"""Pictures of each part that are looked at."""
SIZE = 64
"""Pixels of a side that they are looked at with."""
FLOOR = 0.3
"""Change of a mean that matters, in standard deviations of the reference."""
UNREADABLE_FLOOR = 0.01
MEASURES = ("brightness", "contrast", "sharpness")


def watch_images(task: Task, rows: Rows) -> Iterator[Found]:
    """Signals of the task's pictures.

    Args:
        task: the task.
        rows: example rows.
    """
    column = task.inputs.image
    if column is None or not rows.has(column):
        return
    measured = rows.map(lambda part: _measured(part, column))
    for name in MEASURES:
        floor = FLOOR * float(measured.reference[name].std())
        for number, change in compare_means(measured, name, 0.0 if np.isnan(floor) else floor):
            yield number, Signal(name=name, kind="image", task=task.name, column=column, **change._asdict())
    for number, change in compare_means(measured, "unreadable", UNREADABLE_FLOOR, sign=1):
        yield (
            number,
            Signal(name="unreadable pictures", kind="image", task=task.name, column=column, **change._asdict()),
        )


def _measured(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    chosen = sample(rows[rows[column].notna()], SAMPLE)
    found = pd.DataFrame([measure(picture) for picture in chosen[column]], chosen.index, [*MEASURES], dtype=float)
    return chosen.drop(columns=column).join(found).assign(unreadable=found.isna().any(axis=1).astype(float))


def measure(picture: bytes) -> tuple[float, float, float]:
    """Mean and standard deviation of the grey values (0 to 1), and log10 of the variance of their Laplacian.

    A blurred picture has a small Laplacian (Pertuz, Puig & Garcia 2013, Analysis of focus measure operators). All are
    missing for a picture that cannot be read.
    """
    from polymart.model.image import decode_images  # lazily: it brings torch along

    try:
        rgb = decode_images([picture], SIZE)[0]
    except TableError:
        return float("nan"), float("nan"), float("nan")
    grey = np.tensordot((0.299, 0.587, 0.114), rgb, axes=1)
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(grey.mean()), float(grey.std()), float(np.log10(laplacian.var() + 1e-6))
