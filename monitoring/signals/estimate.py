"""Performance estimated before labels arrive, from how sure the model is.

Scores are calibrated on the reference's labelled rows (isotonic regression; Zadrozny & Elkan 2002), and the metric is
what calibrated scores let expect (confidence-based performance estimation):

- *binary*: p = P(label 1 | score); expected area under the ROC curve: over pairs of rows, the mean of
  p_i (1 - p_j) [score_i > score_j] divided by that of p_i (1 - p_j), ties counting half.
- *multiclass, multilabel, tagging, retrieval*: p = P(the best name is right | score); the mean of p.
- *count, regression*: the mean absolute error that the reference had at such predictions, by tenths of the prediction.
- *ranking*: none. A correlation with grades cannot be told from scores alone.

The estimate sees a change of the rows (a new mix, odd inputs), not of what labels mean: after a label flip it stays
where it was, and only labels tell. So it is checked against them when they come, its error is kept, and a truth that
is worse than expected is a signal of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from monitoring.performance import METRICS, score_rows
from monitoring.schema import Estimate, Signal, relative_loss
from monitoring.signals.metric import auc_values, compare_metric, measure, row_values
from monitoring.signals.rows import Found, Rows
from polymart.config import Kind, Task

FLOOR = 0.05
"""Relative expected loss that matters."""
MIN_LABELLED = 0.9
"""Share of a window's rows whose label must be known before the estimate is held against the truth."""
MIN_ROWS = 100
"""Fewer labelled rows of the reference teach no calibration."""


@dataclass(frozen=True)
class Estimator:
    """What scores let expect of one task's metric."""

    kind: Kind
    calibrated: Callable[[np.ndarray], np.ndarray]

    @classmethod
    def fit(cls, kind: Kind, reference: pd.DataFrame) -> Estimator | None:
        """Learn from labelled rows; None for a kind without an estimate, or too few rows."""
        if kind == "ranking":
            return None
        labelled = reference.dropna(subset=["label", "prediction", "score"])
        truth = _truth(kind, labelled) if len(labelled) >= MIN_ROWS else None
        if truth is None:
            return None
        scores = labelled["score"].to_numpy(np.float64)
        if kind in ("count", "regression"):
            return cls(kind, _by_tenths(scores, truth))
        return cls(kind, IsotonicRegression(out_of_bounds="clip").fit(scores, truth).predict)

    def row_values(self, rows: pd.DataFrame) -> np.ndarray | None:
        """Values per row, all with a score, whose mean is the expected metric; None where it is undefined."""
        scores = rows["score"].to_numpy(np.float64)
        expected = self.calibrated(scores)
        return auc_values(expected, scores) if self.kind == "binary" else expected


def estimate_windows(task: Task, rows: Rows) -> list[Estimate | None]:
    """The estimate of each window, with the truth where labels arrived; None where it is undefined."""
    estimator = Estimator.fit(task.kind, rows.reference)
    usual = measure(_scored(rows.reference), estimator.row_values) if estimator else None
    if estimator is None or usual is None:
        return [None for _ in rows.windows]
    return [_estimate(task.kind, estimator, usual.value, window) for window in rows.windows]


def watch_estimate(task: Task, rows: Rows, group: str = "") -> Iterator[Found]:
    """Whether the model's own confidence says that it became worse.

    Args:
        task: the task.
        rows: prediction rows; labels are read in the reference only.
        group: the slice that the rows belong to.
    """
    estimator = Estimator.fit(task.kind, rows.reference)
    if estimator is None:
        return
    metric, higher = METRICS[task.kind]
    scored = rows.map(_scored)
    for number, change in compare_metric(scored, estimator.row_values, higher_is_better=higher, floor=FLOOR):
        hurts = None if change.now is None else relative_loss(change.now, change.usual, higher)
        told = {"name": f"expected {metric}", "kind": "estimate", "task": task.name, "slice": group, "hurts": hurts}
        yield number, Signal(**told, **change._asdict())
    yield from _watch_surprise(task, estimator, rows, group)


def _watch_surprise(task: Task, estimator: Estimator, rows: Rows, group: str) -> Iterator[Found]:
    """Whether labels tell of a worse metric than was expected of the very same rows: what labels mean has changed."""
    metric, higher = METRICS[task.kind]
    labelled = rows.map(lambda part: part.dropna(subset=["label", "prediction", "score"]))
    whole = measure(labelled.reference, estimator.row_values)

    def surprise(part: pd.DataFrame) -> np.ndarray | None:
        expected, found = estimator.row_values(part), row_values(task.kind, part)
        if expected is None or found is None:
            return None
        return expected - found if higher else found - expected

    if whole is None:
        return
    floor = FLOOR * abs(whole.value)
    for number, change in compare_metric(labelled, surprise, higher_is_better=False, floor=floor, relative=False):
        if change.rows:
            told = {"name": f"{metric} below expectation", "kind": "label", "task": task.name, "slice": group}
            yield number, Signal(**told, **change._asdict())


def mean_error(estimates: list[Estimate | None]) -> float | None:
    """Mean absolute error of the estimates whose labels arrived; None without one."""
    errors = [abs(one.error) for one in estimates if one is not None and one.error is not None]
    return float(np.mean(errors)) if errors else None


def _estimate(kind: Kind, estimator: Estimator, usual: float, window: pd.DataFrame) -> Estimate | None:
    found = measure(_scored(window), estimator.row_values)
    if found is None or not found.judged:
        return None
    metric, higher = METRICS[kind]
    known = float(window["label"].notna().mean()) >= MIN_LABELLED
    return Estimate(
        metric=metric,
        rows=found.rows,
        value=found.value,
        low=found.value - 1.96 * found.error,
        high=found.value + 1.96 * found.error,
        reference=usual,
        higher_is_better=higher,
        truth=score_rows(kind, window) if known else None,
    )


def _by_tenths(scores: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The mean of ``truth`` in the tenth of the scores that a score falls into."""
    edges = np.unique(np.quantile(scores, np.arange(1, 10) / 10))
    tenth = np.searchsorted(edges, scores)
    sums, sizes = (np.bincount(tenth, weights=weights, minlength=len(edges) + 1) for weights in (truth, None))
    means = np.where(sizes > 0, sums / np.maximum(sizes, 1), truth.mean())
    return lambda asked: means[np.searchsorted(edges, asked)]


def _scored(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["score"].notna()]


def _truth(kind: Kind, rows: pd.DataFrame) -> np.ndarray | None:
    """What is calibrated: whether it came true, or how far it was off; None where labels cannot be compared."""
    if kind == "binary":
        return None if score_rows(kind, rows) is None else rows["label"].to_numpy(np.float64)
    return row_values(kind, rows)
