"""Prediction and label drift: the mean score, the mean label, and the mix of predicted and of true names; per slice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from monitoring.schema import Signal, SignalKind
from monitoring.signals.means import Change, compare_means
from monitoring.signals.rows import Found, Rows
from monitoring.signals.shares import compare_shares
from polymart.config import Task

FLOOR = 0.2
"""Change of a mean that matters, in standard deviations of the reference."""


def watch_predictions(task: Task, rows: Rows, group: str = "") -> Iterator[Found]:
    """Drift of what is predicted and of what came true.

    Args:
        task: the task.
        rows: prediction rows with ``prediction``, ``score`` and ``label``.
        group: the slice that the rows belong to.
    """
    watched: list[tuple[str, SignalKind, Iterator[tuple[int, Change]]]] = [
        ("mean score", "prediction", _means(rows, "score")),
    ]
    if task.kind == "multiclass":
        watched += [
            ("predicted classes", "prediction", compare_shares(rows, "prediction")),
            ("true classes", "label", compare_shares(rows, "label")),
        ]
    elif task.kind in ("binary", "count", "regression", "ranking"):
        watched.append(("mean label", "label", _means(rows, "label")))
    else:
        watched += [
            ("best labels", "prediction", compare_shares(rows, "prediction")),
            ("number of labels", "label", _means(rows.map(_counted), "label")),
        ]
    for name, kind, changes in watched:
        for number, change in changes:
            yield number, Signal(name=name, kind=kind, task=task.name, slice=group, **change._asdict())


def _counted(rows: pd.DataFrame) -> pd.DataFrame:
    count = [len(label) if isinstance(label, list | tuple | np.ndarray) else np.nan for label in rows["label"]]
    return rows.assign(label=np.array(count, np.float64))


def _means(rows: Rows, column: str) -> Iterator[tuple[int, Change]]:
    numbers = rows.map(lambda part: part.assign(**{column: pd.to_numeric(part[column], errors="coerce")}))
    floor = FLOOR * numbers.reference[column].std()
    return compare_means(numbers, column, 0.0 if np.isnan(floor) else floor)
