"""What is learned of a task's inputs from its training rows, then frozen in the checkpoint."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from polymart.config import Inputs
from polymart.errors import TableError

MAX_BINS = 32
"""Bins of a number's piecewise-linear encoding, where there are enough rows."""
ROWS_PER_BIN = 500
CLIP = 10.0
"""Standard deviations at which a number is cut: one far value must not drown every other feature."""


class InputStatistics(BaseModel):
    """What `fit_statistics` learned from the training rows of one task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    median: dict[str, float] = {}
    """Replaces a missing value, on the signed-log scale."""
    mean: dict[str, float] = {}
    scale: dict[str, float] = {}
    edges: dict[str, list[float]] = {}
    """Distinct quantiles of the standardised training values, ascending: the bins of `tower.QuantileEncoding`."""
    vocabulary: dict[str, list[str]] = {}
    """Known values of each categorical column; index 0 is kept for unseen ones."""
    num_labels: int = 0
    """L, for tasks with a label history."""


def signed_log(values: np.ndarray) -> np.ndarray:
    """sign(x) log(1 + |x|): tames the heavy tails of counts and money, keeps 0 and the sign."""
    return np.sign(values) * np.log1p(np.abs(values))


def numeric_array(frame: pd.DataFrame, column: str) -> np.ndarray:
    """A float64 column; infinities and text count as missing (NaN)."""
    column_values = frame[column]
    if not isinstance(column_values.dtype, np.dtype) or column_values.dtype.kind not in "fiub":
        column_values = pd.to_numeric(column_values, errors="coerce")  # a tenth of a millisecond even for one row
    values = column_values.to_numpy(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def fit_statistics(frame: pd.DataFrame, inputs: Inputs, num_labels: int) -> InputStatistics:
    """Medians, means, scales, quantiles and vocabularies of the training rows.

    Raises:
        TableError: a numeric column has no finite value at all.
    """
    median, mean, scale, edges = {}, {}, {}, {}
    for column in inputs.numeric:
        values = signed_log(numeric_array(frame, column))
        if np.isnan(values).all():
            raise TableError(
                f"input column {column!r} has no finite value in {len(values)} training rows",
                remedy="repair the source of the column, or take it out of the task's inputs",
            )
        median[column] = float(np.nanmedian(values))
        filled = np.where(np.isnan(values), median[column], values)
        mean[column], scale[column] = float(filled.mean()), float(filled.std())
        if scale[column] <= 1e-9 * max(1.0, abs(mean[column])):  # a constant leaves only rounding errors
            scale[column] = 1.0
        edges[column] = quantile_edges((values[~np.isnan(values)] - mean[column]) / scale[column])
    vocabulary = {c: sorted(map(str, frame[c].dropna().unique())) for c in inputs.categorical}
    return InputStatistics(
        median=median, mean=mean, scale=scale, edges=edges, vocabulary=vocabulary, num_labels=num_labels
    )


def quantile_edges(values: np.ndarray) -> list[float]:
    """Bounds of bins with about as many training values each, fewer for small tables; none for a constant."""
    num_bins = min(MAX_BINS, max(4, len(values) // ROWS_PER_BIN))
    edges = np.quantile(values.clip(-CLIP, CLIP), np.linspace(0, 1, num_bins + 1))
    # Narrower bins (in standard deviations) are beyond what float32 and the training rows can tell apart.
    return edges[np.append(True, np.diff(edges) > 1e-4)].tolist()
