"""Classical baselines: what a careful analyst would ship without a transformer. Reported, not gated on.

Text: TF-IDF with logistic regression. Numbers: logistic regression. Counts: the 13-week mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from polymart.config import Task
from polymart.evaluation.baselines import mean13
from polymart.model.inputs import numeric_array, signed_log
from polymart.tasks import kind_of


def classical_scores(
    task: Task, train: pd.DataFrame, test: pd.DataFrame, labels: Sequence[str] | None, seed: int
) -> tuple[str, np.ndarray] | None:
    """Name and scores (B, O) of the classical baseline, or None where the kind has none but its floor."""
    target = kind_of(task.kind).encode_labels(train[task.label], labels, task.name)
    if task.kind in ("multiclass", "binary") and len(np.unique(target)) < 2:
        return None  # a classifier cannot be fitted to one class
    if task.kind == "multiclass" and task.inputs.text:
        return "tfidf_logistic_regression", _text(task.inputs.text, train, test, target, len(labels or ()), seed)
    if task.kind == "binary" and task.inputs.numeric:
        return "logistic_regression", _numeric(task.inputs.numeric, train, test, target, seed)
    if task.kind == "count" and "units_mean13" in test:
        return "mean13", mean13(task, train, test, labels)
    return None


def _text(column: str, train: pd.DataFrame, test: pd.DataFrame, target: np.ndarray, num: int, seed: int) -> np.ndarray:
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=50_000),
        LogisticRegression(max_iter=300, C=10.0, random_state=seed),
    )
    model.fit(train[column].fillna(""), target)
    scores_BO = np.zeros((len(test), num), np.float32)
    scores_BO[:, model.classes_] = model.predict_proba(test[column].fillna(""))
    return scores_BO


def _numeric(columns: list[str], train: pd.DataFrame, test: pd.DataFrame, target: np.ndarray, seed: int) -> np.ndarray:
    def matrix(frame: pd.DataFrame) -> np.ndarray:
        return np.nan_to_num(signed_log(np.stack([numeric_array(frame, column) for column in columns], 1)))

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed))
    model.fit(matrix(train), target)
    return model.predict_proba(matrix(test))[:, 1:].astype(np.float32)
