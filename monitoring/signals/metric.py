"""Has a metric of whole windows become worse? The test of `monitoring.signals.means` on its values per row.

A metric that is a mean over rows has them by nature. The area under the ROC curve and a correlation are given values
whose mean is the metric and whose spread is that of its first-order change when one row weighs more (the infinitesimal
jackknife, Efron 1982; for the area under the curve these are the placements of DeLong et al. 1988).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from monitoring.performance import NAMING, hits, score_rows
from monitoring.signals.means import Change, Mean, Usual
from monitoring.signals.rows import Rows
from polymart.config import Kind

RowValues = Callable[[pd.DataFrame], np.ndarray | None]
"""Values per row whose mean is the metric; None where it is undefined."""


def compare_metric(
    rows: Rows, values: RowValues, *, higher_is_better: bool, floor: float, relative: bool = True
) -> Iterator[tuple[int, Change]]:
    """Each window beside the reference; a gain is no news. Nothing where the reference has no such metric.

    Args:
        rows: what ``values`` reads.
        values: the metric's values per row.
        higher_is_better: of the metric.
        floor: least loss that matters.
        relative: whether the floor is a share of the reference's metric.
    """
    whole = measure(rows.reference, values)
    if whole is None:
        return
    past = [found for part in rows.past_windows if (found := measure(part, values)) and found.clusters > 1]
    usual, sign = Usual.of(whole, past), -1 if higher_is_better else 1
    least = floor * abs(whole.value) if relative else floor
    for number, window in enumerate(rows.windows):
        yield number, usual.compare(measure(window, values), least, sign=sign)


def measure(rows: pd.DataFrame, values: RowValues) -> Mean | None:
    """The metric of rows with its error; None where it is undefined."""
    found = values(rows) if len(rows) else None
    return None if found is None else Mean.of(found, rows["cluster"].to_numpy())


def row_values(kind: Kind, rows: pd.DataFrame) -> np.ndarray | None:
    """Values per labelled row whose mean is `monitoring.performance.score_rows`; None where that is undefined."""
    if score_rows(kind, rows) is None:
        return None
    if kind in NAMING:
        found = hits(kind, rows)
        return None if found is None else found.astype(np.float64)
    labels = pd.to_numeric(rows["label"]).to_numpy(np.float64)
    if kind == "binary":
        return auc_values(labels, rows["score"].to_numpy(np.float64))
    predicted = pd.to_numeric(rows["prediction"]).to_numpy(np.float64)
    return correlation_values(labels, predicted) if kind == "ranking" else np.abs(labels - predicted)


def auc_values(p: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
    """Values per row of the expected area under the ROC curve when row i is positive with probability p_i.

    The area is A / B, with A = sum over pairs i != j of p_i (1 - p_j) [score_i > score_j], ties counting half, and B
    the same sum without the bracket; for labels of 0 and 1 it is the usual one. A row's value is
    A/B + n (a_i - A/B b_i) / B, where a_i and b_i are the derivatives of A and B by the weight of row i.
    """
    q = 1 - p
    distinct, level = np.unique(scores, return_inverse=True)
    up, down = (np.bincount(level, weights=side, minlength=len(distinct)) for side in (p, q))
    # Of each row: the chance mass of negatives below it and of positives above it, half of its own level, not itself.
    below = (np.cumsum(down) - down / 2)[level] - q / 2
    above = (np.cumsum(up[::-1])[::-1] - up / 2)[level] - p / 2
    a, b = p * below + q * above, p * (q.sum() - q) + q * (p.sum() - p)
    total = b.sum() / 2
    if not total > 0:
        return None
    area = a.sum() / 2 / total
    return area + len(p) * (a - area * b) / total


def correlation_values(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Values per row of Spearman's correlation, the ranks held fixed."""
    x, y = ((rank - rank.mean()) / rank.std() for rank in (rankdata(labels), rankdata(predicted)))
    r = float(np.mean(x * y))
    return x * y - r / 2 * (x**2 + y**2) + r
