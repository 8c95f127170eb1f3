"""Labels that contradict the predictions: Spearman's correlation of both is below zero.

A model that learned something is at worst useless on rows that changed: its correlation with labels falls to zero.
Below zero it is right about the order and the labels are turned round, say by a join that counts who came back as
gone. Where half of the labels are 1 no other signal tells this from a bad model.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import t

from monitoring.psi import CHANCE
from monitoring.schema import Signal
from monitoring.signals.metric import correlation_values, measure
from monitoring.signals.rows import Found, Rows
from polymart.config import Task

FLOOR = 0.05
"""Correlation below zero that matters; and above it, in the reference, that shows a model which learned something."""
ORDERED = ("binary", "count", "regression", "ranking")
"""Kinds whose labels and predictions have an order."""


def watch_contradiction(task: Task, rows: Rows) -> Iterator[Found]:
    """Whether labels are turned round.

    Args:
        task: the task.
        rows: prediction rows; those without a label are left out.
    """
    labelled = rows.map(lambda part: part.dropna(subset=["label", "prediction", "score"]))
    usual = measure(labelled.reference, _correlation) if task.kind in ORDERED else None
    if usual is None or usual.value < FLOOR:
        return
    for number, window in enumerate(labelled.windows):
        found = measure(window, _correlation)
        if found is None or not found.judged:
            continue
        bound = max(FLOOR, float(t.ppf(1 - CHANCE, found.clusters - 1)) * found.error)
        yield (
            number,
            Signal(
                name="labels against predictions", kind="label", task=task.name, value=max(0.0, -found.value),
                threshold=bound, now=found.value, usual=usual.value, rows=found.rows,
            ),
        )  # fmt: skip


def _correlation(rows: pd.DataFrame) -> np.ndarray | None:
    labels, scores = (pd.to_numeric(rows[name], errors="coerce") for name in ("label", "score"))
    if labels.isna().any() or labels.nunique() < 2 or scores.nunique() < 2:
        return None
    return correlation_values(labels.to_numpy(np.float64), scores.to_numpy(np.float64))
