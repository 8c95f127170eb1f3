"""Floors: what a task must beat to be worth a head. Each returns scores shaped like the model's, as metrics read them.

Shape suffixes: B examples, O outputs, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from polymart.config import Task
from polymart.errors import SuiteError, TableError
from polymart.evaluation.ranking import bm25, random_order
from polymart.model.statistics import numeric_array
from polymart.tasks import kind_of

Floor = Callable[[Task, pd.DataFrame, pd.DataFrame, Sequence[str] | None], np.ndarray]
"""(task, training rows, test rows, label map) -> scores of the test rows, shape (B, O)."""


def majority(task: Task, train: pd.DataFrame, test: pd.DataFrame, labels: Sequence[str] | None) -> np.ndarray:
    """The best constant: base rate of a class or label, median or mean of a number, overall popularity.

    Of tags every one applies, which no other constant beats in F1.
    """
    target = kind_of(task.kind).encode_labels(train[task.label], labels, task.name)
    if task.kind == "multiclass":
        rate = np.bincount(target, minlength=len(labels or ())) / len(target)
    elif task.kind == "tagging":
        rate = np.ones(target.shape[1])
    elif task.kind == "count":
        rate = np.quantile(target, (0.5, task.quantile))
    elif task.kind == "regression" and task.metric == "mae":
        rate = np.median(target, keepdims=True)
    else:
        rate = target.reshape(len(target), -1).mean(0)
    return np.tile(rate.astype(np.float32), (len(test), 1))


def personal_frequency(task: Task, train: pd.DataFrame, test: pd.DataFrame, labels: Sequence[str] | None) -> np.ndarray:
    """How often the entity met each label before; ties and unseen labels by overall popularity.

    Needs a task with ``label_history``.
    """
    prefix = task.inputs.label_history
    if prefix is None:
        raise SuiteError(
            f"floor 'personal_frequency' of task {task.name!r} needs inputs.label_history",
            remedy="use the floor 'majority'",
        )
    scores_BL = majority(task, train, test, labels) * 1e-3
    for row, (ids, count) in enumerate(zip(test[f"{prefix}_ids"], test[f"{prefix}_count"], strict=True)):
        if ids is not None and not np.isscalar(ids):
            index = np.asarray(ids, np.int64)
            known = (index >= 0) & (index < scores_BL.shape[1])
            scores_BL[row, index[known]] += np.asarray(count, np.float32)[known]
    return scores_BL


def last_value(task: Task, train: pd.DataFrame, test: pd.DataFrame, labels: Sequence[str] | None) -> np.ndarray:
    """The newest observation (``units_lag1``) as forecast."""
    return _forecast(test, "units_lag1")


def mean13(task: Task, train: pd.DataFrame, test: pd.DataFrame, labels: Sequence[str] | None) -> np.ndarray:
    """The mean of the last 13 observations (``units_mean13``) as forecast."""
    return _forecast(test, "units_mean13")


def _forecast(test: pd.DataFrame, column: str) -> np.ndarray:
    if column not in test:
        raise TableError(
            f"a floor needs the column {column!r}, found {list(test.columns)}",
            remedy="add it to the task's feature service, or use the floor 'majority'",
        )
    values = np.nan_to_num(numeric_array(test, column)).astype(np.float32)
    return np.stack([values, values], 1)


FLOORS: dict[str, Floor] = {
    f.__name__: f for f in (majority, personal_frequency, last_value, mean13, random_order, bm25)
}
"""Every floor by the name that a suite file uses."""


def floor_of(name: str) -> Floor:
    """The floor called ``name``.

    Raises:
        SuiteError: no such floor.
    """
    if name not in FLOORS:
        raise SuiteError(f"floor {name!r} is unknown", remedy=f"use one of: {', '.join(FLOORS)}")
    return FLOORS[name]
