"""Data quality of a window, decided before drift: broken data say nothing about the shop."""

from __future__ import annotations

import pandas as pd

from monitoring.schema import ColumnKind, QualityFinding

MAX_MISSING_RISE = 0.2
"""Largest allowed rise of a column's missing share over the reference, absolute."""
MAX_OUTSIDE = 0.5
"""Largest allowed share of numbers beyond the reference's lowest and highest value: more is a changed unit."""
MAX_SCALE = 10.0
"""Largest allowed factor, up or down, of the median of non-zero sizes: a heavy tail hides a changed unit."""
MAX_UNSEEN = 0.5
"""Largest allowed share of categories that the reference never had: more is a changed coding."""


def _finding(column: str, rule: str, message: str, *, failed: bool = True) -> QualityFinding:
    message = f"{column}: {message}" if column else message
    return QualityFinding(column=column, rule=rule, failed=failed, message=message)


def check_rows(num_rows: int, *, empty_is_usual: bool) -> list[QualityFinding]:
    """An empty window is broken, unless the reference has empty windows of this length too."""
    if num_rows:
        return []
    return [
        _finding(
            "",
            "rows",
            "no rows" + (", as in some reference windows" if empty_is_usual else ""),
            failed=not empty_is_usual,
        )
    ]


def check_column(
    name: str, kind: ColumnKind, reference: pd.Series, current: pd.Series, *, ranged: bool
) -> list[QualityFinding]:
    """Findings of one column.

    Args:
        name: column.
        kind: numeric, categorical, text or score.
        reference: cleaned reference values.
        current: cleaned values of a window with at least one row.
        ranged: whether values beyond the reference's range mean anything (not for the calendar).
    """
    missing, usual = float(current.isna().mean()), float(reference.isna().mean()) if len(reference) else 1.0
    if missing == 1 and usual < 1:
        return [_finding(name, "all missing", "all values missing")]
    if missing - usual > MAX_MISSING_RISE:
        return [
            _finding(name, "missing", f"{missing:.0%} missing, was {usual:.0%} (allowed rise {MAX_MISSING_RISE:.0%})")
        ]
    values, known = current.dropna(), reference.dropna()
    if values.empty or known.empty:
        return []
    if kind == "categorical":
        return _check_categories(name, known, values)
    return _check_range(name, known, values) if ranged and kind == "numeric" else []


def _check_categories(name: str, known: pd.Series, values: pd.Series) -> list[QualityFinding]:
    unseen = values[~values.isin(known.unique())]
    if unseen.empty:
        return []
    share = len(unseen) / len(values)
    names = ", ".join(repr(value[:40]) for value in sorted(unseen.unique())[:3])
    return [
        _finding(
            name,
            "unseen categories",
            f"{share:.0%} of rows have unseen categories ({names})",
            failed=share > MAX_UNSEEN,
        )
    ]


def _check_range(name: str, known: pd.Series, values: pd.Series) -> list[QualityFinding]:
    share = float(((values < known.min()) | (values > known.max())).mean())
    # Zeros are zeros in every unit, so they say nothing about the scale.
    sizes, usual = (float(side[side != 0].abs().median()) for side in (values, known))
    scale = sizes / usual  # nan where one side is all zeros: compares as False below
    if share <= MAX_OUTSIDE and not (scale > MAX_SCALE or scale < 1 / MAX_SCALE):
        return []
    return [
        _finding(
            name,
            "range",
            f"unit changed? {share:.0%} of values lie beyond the reference's "
            f"{known.min():.4g} to {known.max():.4g}, the median size is x{scale:.3g}",
        )
    ]
