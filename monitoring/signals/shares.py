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
SHOWN = 40
"""Characters of a name that a note shows."""


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
        value = psi(usual, _counts(known, column, names))
        name, share, before = _most_moved(counts, known[column].astype(str).value_counts())
        note = f"{name[:SHOWN]}: {share:.0%}, was {before:.0%}"
        yield number, Change(value, bound, share, before, len(known), note)


def _counts(rows: pd.DataFrame, column: str, names: list[str]) -> pd.Series:
    values = rows[column].dropna().astype(str)
    return values.where(values.isin(names), OTHER).value_counts().reindex([*names, OTHER], fill_value=0)


def _most_moved(usual: pd.Series, current: pd.Series) -> tuple[str, float, float]:
    """The name whose share changed most, its share now and before."""
    shares = pd.DataFrame({"before": usual / usual.sum(), "now": current / current.sum()}).fillna(0.0)
    name = str((shares["now"] - shares["before"]).abs().idxmax())
    return name, float(shares["now"][name]), float(shares["before"][name])
