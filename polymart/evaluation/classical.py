"""Classical baselines: what a careful analyst would ship without a transformer. Reported, not gated on.

Text: TF-IDF with a linear model. Numbers and categories: a linear model, for binary tasks beside gradient boosting,
whichever does better on the validation rows. Counts: the 13-week mean. Like a floor's, the scores are what metrics
read: a tag applies from 0.5, its thresholds were fitted on validation rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from polymart.config import Inputs, Task
from polymart.evaluation.baselines import mean13
from polymart.evaluation.metrics import metric_of
from polymart.model.statistics import numeric_array, signed_log
from polymart.tasks import kind_of
from polymart.tasks.tagging import Tagging, best_thresholds


def classical_scores(
    task: Task, train: pd.DataFrame, val: pd.DataFrame, test: pd.DataFrame, labels: Sequence[str] | None, seed: int
) -> tuple[str, np.ndarray] | None:
    """Name and scores (B, O) of the classical baseline, or None where the kind has none but its floor.

    Args:
        task: the task.
        train: the rows to learn from.
        val: the rows to choose a model and thresholds with.
        test: the rows to score.
        labels: the label map.
        seed: of the models that draw numbers.
    """
    if task.kind == "count":
        return ("mean13", mean13(task, train, test, labels)) if "units_mean13" in test else None
    if task.kind not in ("multiclass", "binary", "tagging", "regression"):
        return None
    target = kind_of(task.kind).encode_labels(train[task.label], labels, task.name)
    if len(np.unique(target)) < 2:
        return None  # nothing can be fitted to one class or one number
    if task.kind == "binary" and _has_columns(task.inputs):
        return _binary_of_columns(task, train, val, test, target, seed)
    if task.kind == "regression":
        return _regression(task.inputs, train, test, target)
    if not task.inputs.text:
        return None
    return _of_text(task, train, val, test, target, labels, seed)


def _has_columns(inputs: Inputs) -> bool:
    return bool(inputs.numeric or inputs.categorical)


def _of_text(
    task: Task,
    train: pd.DataFrame,
    val: pd.DataFrame,
    test: pd.DataFrame,
    target: np.ndarray,
    labels: Sequence[str] | None,
    seed: int,
) -> tuple[str, np.ndarray]:
    linear = LogisticRegression(max_iter=300, C=10.0, random_state=seed)
    model = make_pipeline(_tfidf(), OneVsRestClassifier(linear) if task.kind == "tagging" else linear)
    # A label that every training row has, or none, needs no model: one-vs-rest says so with its base rate.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Label .* is present in all", UserWarning)
        warnings.filterwarnings("ignore", "Label not .* is present in all", UserWarning)
        model.fit(_texts(train, task.inputs), target)
    found = model.predict_proba(_texts(test, task.inputs))
    if task.kind == "tagging":
        val_target = kind_of(task.kind).encode_labels(val[task.label], labels, task.name)
        thresholds = best_thresholds(val_target, model.predict_proba(_texts(val, task.inputs)))
        return "tfidf_one_vs_rest", Tagging(thresholds=thresholds).metric_scores(found).astype(np.float32)
    if task.kind == "binary":
        return "tfidf_logistic_regression", found[:, 1:].astype(np.float32)
    scores_BO = np.zeros((len(test), len(labels or ())), np.float32)
    scores_BO[:, model.classes_] = found
    return "tfidf_logistic_regression", scores_BO


def _binary_of_columns(
    task: Task, train: pd.DataFrame, val: pd.DataFrame, test: pd.DataFrame, target: np.ndarray, seed: int
) -> tuple[str, np.ndarray]:
    inputs, metric = task.inputs, metric_of(task.metric, task.kind)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    boosting = HistGradientBoostingClassifier(random_state=seed)
    models = {
        "logistic_regression": make_pipeline(
            linear_columns(inputs), LogisticRegression(max_iter=1000, random_state=seed)
        ),
        "gradient_boosting": make_pipeline(
            make_column_transformer(("passthrough", inputs.numeric), (codes, inputs.categorical)), boosting
        ),
    }
    label = kind_of(task.kind).encode_labels(val[task.label], None, task.name)
    quality = {}
    for name, model in models.items():
        model.fit(columns_of(train, inputs), target)
        value = metric.value(label, model.predict_proba(columns_of(val, inputs))[:, 1:])
        quality[name] = value if np.isfinite(value) else 0.0
    best = max(quality, key=quality.__getitem__)  # the linear model where both do equally well
    return best, models[best].predict_proba(columns_of(test, inputs))[:, 1:].astype(np.float32)


def _regression(
    inputs: Inputs, train: pd.DataFrame, test: pd.DataFrame, target: np.ndarray
) -> tuple[str, np.ndarray] | None:
    if inputs.text:
        model = make_pipeline(_tfidf(), Ridge()).fit(_texts(train, inputs), target)
        return "tfidf_ridge", model.predict(_texts(test, inputs))[:, None].astype(np.float32)
    if _has_columns(inputs):
        model = make_pipeline(linear_columns(inputs), Ridge()).fit(columns_of(train, inputs), target)
        return "ridge", model.predict(columns_of(test, inputs))[:, None].astype(np.float32)
    return None


def _tfidf() -> TfidfVectorizer:
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=50_000)


def linear_columns(inputs: Inputs) -> BaseEstimator:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore", max_categories=100)
    return make_column_transformer((numbers, inputs.numeric), (categories, inputs.categorical))


def _texts(frame: pd.DataFrame, inputs: Inputs) -> pd.Series:
    return frame[inputs.text].fillna("").astype(str)


def columns_of(frame: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    numbers = {column: signed_log(numeric_array(frame, column)) for column in inputs.numeric}
    return pd.DataFrame({**numbers, **{c: frame[c].fillna("").astype(str).to_numpy() for c in inputs.categorical}})
