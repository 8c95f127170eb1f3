"""Have the shares of a few names moved? PSI, with a bound that knows windows which differ anyway.

The bound is the larger of `monitoring.psi.psi_threshold` over independent observations (clusters, not rows) and the
largest PSI of the reference's own windows: what the reference itself did is no news.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from monitoring.psi import psi, psi_threshold
from monitoring.signals.means import MIN_CLUSTERS, Change
from monitoring.signals.rows import Rows

MAX_NAMES = 20
"""Names kept; the rarer ones are one name together, so that they add no noise."""
OTHER = "(other)"


def compare_shares(rows: Rows, column: str) -> Iterator[tuple[int, Change]]:
    """Each window beside the reference; ``now`` and ``usual`` are the share of the name that moved most.

    Args:
        rows: with ``column`` (names, missing ones are left out) and ``cluster``.
        column: the names.
    """
    counts = rows.reference[column].astype(str).where(rows.reference[column].notna()).value_counts()
    if counts.empty:
        return
    names = list(counts.index[:MAX_NAMES])
    usual = _counts(rows.reference, column, names)
    clusters = int(rows.reference["cluster"].nunique())
    largest = max(
        (
            psi(usual, _counts(part, column, names))
            for part in rows.past_windows
            if part["cluster"].nunique() >= MIN_CLUSTERS
        ),
        default=0.0,
    )
    for number, window in enumerate(rows.windows):
        known = window[window[column].notna()]
        current = int(known["cluster"].nunique())
        if min(current, clusters) < MIN_CLUSTERS:
            note = f"{current} clusters in the window, {clusters} in the reference; {MIN_CLUSTERS} are needed"
            yield number, Change(None, None, None, None, len(known), note)
            continue
        bound = max(psi_threshold(len(names) + 1, clusters, current), largest)
        yield number, _change(usual, _counts(known, column, names), bound, len(known))


def _counts(rows: pd.DataFrame, column: str, names: list[str]) -> pd.Series:
    values = rows[column].dropna().astype(str)
    return values.where(values.isin(names), OTHER).value_counts().reindex([*names, OTHER], fill_value=0)


def _change(usual: pd.Series, current: pd.Series, bound: float, num_rows: int) -> Change:
    before, now = usual / usual.sum(), current / current.sum()
    name = str((now - before).abs().idxmax())
    note = f"{name}: {now[name]:.0%}, was {before[name]:.0%}"
    return Change(psi(usual, current), bound, float(now[name]), float(before[name]), num_rows, note)
