"""Labelled performance of each window and slice, as a signal."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from monitoring.performance import METRICS, compare
from monitoring.schema import Performance, Signal, relative_loss
from monitoring.signals.metric import compare_metric, measure, row_values
from monitoring.signals.rows import Found, Rows
from polymart.config import Kind, Task

FLOOR = 0.05
"""Relative loss that matters."""


def measured(kind: Kind, told: Performance | None, reference: pd.DataFrame, window: pd.DataFrame) -> Performance | None:
    """The performance of a window with its interval; None where no labels are known.

    Args:
        kind: of the task.
        told: as the prediction table tells it; None where only the example table knows the labels yet.
        reference: reference rows of the prediction table.
        window: rows of the window, with late labels.
    """
    told = told or compare(kind, reference, window)
    labelled = window.dropna(subset=["label", "prediction", "score"])
    mean = measure(labelled, lambda part: row_values(kind, part))
    if told is None or mean is None or not mean.judged:
        return told
    return told.model_copy(update={"low": told.value - 1.96 * mean.error, "high": told.value + 1.96 * mean.error})


def watch_performance(task: Task, rows: Rows, group: str = "", source: str = "") -> Iterator[Found]:
    """Whether labels say that predictions became worse.

    Args:
        task: the task.
        rows: prediction rows; those without a label are left out.
        group: the slice that the rows belong to.
        source: where the labels come from, if not from the tables.
    """
    metric, higher = METRICS[task.kind]
    labelled = rows.map(lambda part: part.dropna(subset=["label", "prediction", "score"]))
    changes = compare_metric(labelled, lambda part: row_values(task.kind, part), higher_is_better=higher, floor=FLOOR)
    for number, change in changes:
        if not change.rows:
            continue
        hurts = None if change.now is None else relative_loss(change.now, change.usual, higher)
        yield (
            number,
            Signal(
                name=" ".join(part for part in (metric, source) if part),
                kind="performance",
                task=task.name,
                slice=group,
                hurts=hurts,
                **change._asdict(),
            ),
        )
