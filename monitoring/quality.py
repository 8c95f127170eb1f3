"""Data quality of a window, decided before drift: broken data say nothing about the shop."""

from __future__ import annotations

import math

from scipy.stats import norm

from monitoring.profile import Column, Numbers, Tally
from monitoring.psi import CHANCE
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
    name: str, kind: ColumnKind, reference: Column, current: Column, *, ranged: bool
) -> list[QualityFinding]:
    """Findings of one column.

    Args:
        name: column.
        kind: numeric, categorical, text or score.
        reference: profile of the reference rows.
        current: profile of a window with at least one row.
        ranged: whether values beyond the reference's range mean anything (not for the calendar).
    """
    missing, usual, count = current.missing_share, reference.missing_share, current.rows
    if missing == 1 and usual**count < CHANCE:
        return [_finding(name, "all missing", "all values missing")]
    # A few rows miss a value that is often missing by chance alone.
    if missing - usual > MAX_MISSING_RISE + float(norm.ppf(1 - CHANCE)) * math.sqrt(usual * (1 - usual) / count):
        return [
            _finding(name, "missing", f"{missing:.0%} missing, was {usual:.0%} (allowed rise {MAX_MISSING_RISE:.0%})")
        ]
    if not current.known or not reference.known:
        return []
    if reference.names is not None and current.names is not None:
        return _check_categories(name, reference.names, current.names)
    if ranged and kind == "numeric" and reference.numbers is not None and current.numbers is not None:
        return _check_range(name, reference.numbers, current.numbers)
    return []


def _check_categories(name: str, reference: Tally, current: Tally) -> list[QualityFinding]:
    unseen = current.unseen(reference)
    if not unseen.any():
        return []
    share = current.counts[unseen].sum() / current.counts.sum()
    names = ", ".join(repr(value[:40]) for value in sorted(current.names[unseen])[:3])
    return [
        _finding(
            name,
            "unseen categories",
            f"{share:.0%} of rows have unseen categories ({names})",
            failed=bool(share > MAX_UNSEEN),
        )
    ]


def _check_range(name: str, reference: Numbers, current: Numbers) -> list[QualityFinding]:
    low, high = float(reference.lows[0]), float(reference.highs[-1])
    share = current.share_outside(low, high)
    scale = current.usual_size / reference.usual_size  # nan where one side is all zeros: compares as False below
    if share <= MAX_OUTSIDE and not (scale > MAX_SCALE or scale < 1 / MAX_SCALE):
        return []
    return [
        _finding(
            name,
            "range",
            f"unit changed? {share:.0%} of values lie beyond the reference's "
            f"{low:.4g} to {high:.4g}, the median size is x{scale:.3g}",
        )
    ]
