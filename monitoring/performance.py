"""Labelled performance: prediction against label, where both are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import mean_absolute_error, roc_auc_score

from monitoring.schema import Performance
from polymart.config import Kind

METRICS: dict[str, tuple[str, bool]] = {
    "binary": ("roc_auc", True),
    "count": ("mean_absolute_error", False),
    "multiclass": ("accuracy", True),
    "multilabel": ("top_label_hit", True),
    "tagging": ("top_label_hit", True),
    "regression": ("mean_absolute_error", False),
    "ranking": ("rank_correlation", True),
    "retrieval": ("top_label_hit", True),
}
"""Metric and whether higher is better, by kind of task."""


NAMING = ("multiclass", "multilabel", "tagging", "retrieval")
"""Kinds that predict names, of which the best one is right or wrong."""


def score_rows(kind: Kind, rows: pd.DataFrame) -> float | None:
    """The metric over prediction rows; None where it is undefined (no rows, one class, labels not comparable)."""
    column = "score" if kind == "binary" else "prediction"
    rows = rows.dropna(subset=["label", column])
    if rows.empty:
        return None
    if kind in NAMING:
        found = hits(kind, rows)
        return None if found is None else float(found.mean())
    labels, values = (pd.to_numeric(rows[name], errors="coerce") for name in ("label", column))
    if labels.isna().any() or values.isna().any():
        return None
    if kind == "ranking":
        return _rank_correlation(labels, values)
    if kind in ("count", "regression"):
        return float(mean_absolute_error(labels, values))
    return float(roc_auc_score(labels, values)) if set(labels.unique()) == {0, 1} else None


def _rank_correlation(labels: pd.Series, values: pd.Series) -> float | None:
    """Spearman's correlation over all queries together: a prediction row does not tell its query."""
    if labels.nunique() < 2 or values.nunique() < 2:
        return None
    return float(labels.corr(values, method="spearman"))


def hits(kind: Kind, rows: pd.DataFrame) -> np.ndarray | None:
    """Whether the best name of each row is right; None where labels are names and predictions positions, or so.

    Args:
        kind: one of `NAMING`.
        rows: with known ``label`` and ``prediction``.
    """
    if kind == "multiclass":
        return (rows["label"].astype(str) == rows["prediction"].astype(str)).to_numpy()
    if not rows["label"].map(lambda label: isinstance(label, list | tuple | np.ndarray)).all():
        return None
    names = {isinstance(label, str) for labels in rows["label"] for label in labels}
    if names != {isinstance(top, str) for top in rows["prediction"]}:
        return None
    return np.array([top in list(labels) for top, labels in zip(rows["prediction"], rows["label"], strict=True)])


def compare(kind: Kind, reference: pd.DataFrame, current: pd.DataFrame) -> Performance | None:
    """Performance of a window's predictions beside the reference's; None where the window's is undefined."""
    value = score_rows(kind, current)
    if value is None:
        return None
    metric, higher = METRICS[kind]
    return Performance(
        metric=metric,
        rows=len(current.dropna(subset=["label"])),
        value=value,
        reference=score_rows(kind, reference),
        higher_is_better=higher,
    )
