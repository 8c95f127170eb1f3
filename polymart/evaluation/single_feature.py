"""Does one input column alone give the label away? A model of each column by itself, scored on test rows.

What is measured depends on the kind, so that a rare class or a heavy tail neither hides a copy of the label nor makes
an honest column look like one:

==================================  ==========================================================================  =====
binary                              ROC AUC of a tree of one column                                             0.995
multiclass                          share of the most frequent class's errors that the tree avoids              0.98
count, regression, ranking          share of the median's absolute error that the tree, or the best rising or
                                    falling map, avoids                                                         0.98
multilabel, tagging, retrieval      mean overlap (Jaccard) with the labels of the training row that is nearest
                                    in the column; of a label history, with the labels of its newest event      0.98
==================================  ==========================================================================  =====

It finds a copy of the label, whatever map it went through, and little noise on it. It does not find a label that lies
in several columns together or in a text, nor a copy with noise beyond the limits: such a column is no better than an
honest strong one, which must not be accused.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from polymart.config import Inputs, Task
from polymart.evaluation.records import LeakageFinding
from polymart.model.statistics import numeric_array
from polymart.tasks import kind_of

AUC_LIMIT, LIMIT = 0.995, 0.98
MEASURES = {
    "binary": ("ROC AUC", AUC_LIMIT),
    "multiclass": ("share of the most frequent class's errors avoided", LIMIT),
    "count": ("share of the median's absolute error avoided", LIMIT),
    "regression": ("share of the median's absolute error avoided", LIMIT),
    "ranking": ("share of the median's absolute error avoided", LIMIT),
    "multilabel": ("overlap with the labels", LIMIT),
    "tagging": ("overlap with the labels", LIMIT),
    "retrieval": ("overlap with the labels", LIMIT),
}
"""What is measured of a column, and from which value it gives the label away."""
MIN_OTHER = 20
"""Training and test rows that must differ from the most frequent label; with fewer, any column may look perfect."""
LEAF = 5
"""Smallest leaf of a tree: a lone training row proves nothing."""


def feature_alone(
    task: Task, train: pd.DataFrame, test: pd.DataFrame, labels: Sequence[str] | None
) -> list[LeakageFinding]:
    """Every column that gives the label away, else the strongest one; none where there is nothing to search.

    Args:
        task: the task.
        train: rows that the models of one column learn from.
        test: rows on which they are scored.
        labels: the label map.
    """
    measure, limit = MEASURES[task.kind]
    scores = _scores(task, train, test, labels)
    leaking = [column for column, value in scores.items() if value >= limit]
    strongest = [max(scores, key=scores.__getitem__)] if scores else []
    return [
        LeakageFinding(
            probe="feature_alone",
            column=column,
            number=scores[column],
            limit=limit,
            leaks=column in leaking,
            rule=f"{measure} on test rows by column {column!r} alone < {limit:g}",
        )
        for column in leaking or strongest
    ]


def _scores(task: Task, train: pd.DataFrame, test: pd.DataFrame, labels: Sequence[str] | None) -> dict[str, float]:
    columns = {column: _values(task.inputs, column, train, test) for column in _columns(task.inputs)}
    if task.kind in ("multilabel", "tagging", "retrieval"):
        truth = [set(row) for row in test[task.label]]
        if sum(map(bool, truth)) < MIN_OTHER:
            return {}
        scores = {name: _overlap(_nearest(*values, train[task.label]), truth) for name, values in columns.items()}
        if prefix := task.inputs.label_history:
            scores[f"{prefix}_ids"] = _overlap(_newest(test, prefix), truth)
        return scores
    y_train, y_test = (kind_of(task.kind).encode_labels(part[task.label], labels, task.name) for part in (train, test))
    if min(len(y) - np.unique(y, return_counts=True)[1].max() for y in (y_train, y_test)) < MIN_OTHER:
        return {}
    score = {"binary": _auc, "multiclass": _errors_avoided}.get(task.kind, _deviation_avoided)
    return {name: score(a, y_train, b, y_test) for name, (a, b) in columns.items()}


def _columns(inputs: Inputs) -> list[str]:
    baseline = [inputs.baseline] if inputs.baseline else []
    return list(dict.fromkeys([*baseline, *inputs.numeric, *inputs.categorical]))


def _values(inputs: Inputs, column: str, train: pd.DataFrame, test: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """A column as numbers, shape (B, 1); categories by their place among those of training; missing is -1e18."""
    if column in inputs.categorical:
        known = pd.Index(train[column].dropna().astype(str).unique())
        values = [known.get_indexer(part[column].astype(str)).astype(float) for part in (train, test)]
    else:
        values = [numeric_array(part, column) for part in (train, test)]
    return tuple(np.nan_to_num(value, nan=-1e18)[:, None] for value in values)


def _auc(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    tree = DecisionTreeClassifier(min_samples_leaf=LEAF, random_state=0).fit(x, y)
    return float(roc_auc_score(y_test, tree.predict_proba(x_test)[:, 1]))


def _errors_avoided(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    tree = DecisionTreeClassifier(min_samples_leaf=LEAF, random_state=0).fit(x, y)
    return float(1 - (tree.predict(x_test) != y_test).mean() / (np.bincount(y).argmax() != y_test).mean())


def _deviation_avoided(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    tree = DecisionTreeRegressor(min_samples_leaf=LEAF, random_state=0)
    maps = [IsotonicRegression(increasing=rising, out_of_bounds="clip") for rising in (True, False)]
    error = min(np.abs(y_test - model.fit(x, y).predict(x_test)).sum() for model in (tree, *maps))
    return float(1 - error / np.abs(y_test - np.median(y)).sum())


def _nearest(x: np.ndarray, x_test: np.ndarray, lists: pd.Series) -> list[set[int]]:
    """The labels of the nearest training row."""
    found = NearestNeighbors(n_neighbors=1).fit(x).kneighbors(x_test, return_distance=False)[:, 0]
    return [set(row) for row in lists.iloc[found]]


def _newest(test: pd.DataFrame, prefix: str) -> list[set[int]]:
    """The labels of the newest event of each row's history."""
    pairs = zip(test[f"{prefix}_ids"], test[f"{prefix}_gap"], strict=True)
    return [
        set() if ids is None or np.isscalar(ids) else set(np.asarray(ids)[np.asarray(gap) == 0]) for ids, gap in pairs
    ]


def _overlap(guess: list[set[int]], truth: list[set[int]]) -> float:
    """Mean Jaccard index over the rows that have labels."""
    return float(np.mean([len(g & t) / len(g | t) for g, t in zip(guess, truth, strict=True) if t]))
