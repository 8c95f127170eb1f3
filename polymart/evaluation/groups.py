"""The groups of a slice, by name: evaluation and monitoring name them alike."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from polymart.config.gates import Slice
from polymart.errors import TableError

MAX_GROUPS = 20
"""Groups of a slice; the rarer ones are one group together."""
MISSING, OTHER = "missing", "other"


def groups_of(frame: pd.DataFrame, slice_: Slice) -> pd.Series:
    """The group of each row, a category: ranges rise, values go by name, missing values are a group of their own.

    Raises:
        TableError: the column is absent, or holds no numbers though the slice has edges.
    """
    if slice_.column not in frame:
        raise TableError(
            f"slice {slice_.name!r} reads the column {slice_.column!r}, which the example table lacks",
            remedy="run retrieve_features again with this suite, or name one of its columns: "
            + ", ".join(frame.columns),
        )
    column = frame[slice_.column]
    if not slice_.edges:
        return _by_value(column.astype("string"))
    counted = column.map(lambda text: len(text.split()), na_action="ignore") if slice_.words else column
    number = pd.to_numeric(counted, errors="coerce")
    if number.isna().gt(column.isna()).any():
        raise TableError(
            f"slice {slice_.name!r} has edges, so the column {slice_.column!r} must hold numbers; found "
            f"{column[number.isna() & column.notna()].iloc[0]!r}",
            remedy="leave the edges out to make each value a group, or name a column with numbers",
        )
    ranges = pd.cut(number, [-np.inf, *slice_.edges, np.inf], right=False, labels=_names(slice_.edges))
    return ranges.cat.add_categories(MISSING).fillna(MISSING)


def _names(edges: list[float]) -> list[str]:
    shown = [f"{edge:g}" for edge in edges]
    inner = [f"{low} to {high}" for low, high in pairwise(shown)]
    return [f"below {shown[0]}", *inner, f"{shown[-1]} and more"]


def _by_value(values: pd.Series) -> pd.Series:
    common = values.value_counts().index
    if len(common) > MAX_GROUPS:
        common = common[: MAX_GROUPS - 1]
        values = values.where(values.isin(common) | values.isna(), OTHER)
    order = list(dict.fromkeys([*sorted(set(common) - {MISSING, OTHER}), OTHER, MISSING]))
    return values.fillna(MISSING).astype(pd.CategoricalDtype(order))
