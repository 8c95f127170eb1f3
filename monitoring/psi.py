"""PSI by Evidently; the only module that imports it (lazily: the import takes four seconds)."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import chi2

from polymart.files import atomic_path

PSI_THRESHOLD = 0.2
"""The customary bound of a major shift (0.1 is a minor one)."""
CHANCE = 0.001
"""Share of windows in which a column that did not move may pass its threshold by chance."""

_RANDOM_NAME = re.compile(r"metric_[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def psi_threshold(num_buckets: int, num_reference: int, num_current: int) -> float:
    """The PSI from which a column counts as drifted.

    Of two samples from one distribution, PSI over B buckets is about chi-square(B - 1) x (1/n + 1/m): a small
    window exceeds any fixed bound by chance. So the bound is the larger of 0.2 and that law's 99.9 % quantile.

    Args:
        num_buckets: buckets, at least 1.
        num_reference: independent observations in the reference, at least 1.
        num_current: independent observations in the window, at least 1.
    """
    noise = float(chi2.ppf(1 - CHANCE, max(1, num_buckets - 1))) * (1 / num_reference + 1 / num_current)
    return max(PSI_THRESHOLD, noise)


def run_evidently(reference: pd.DataFrame, current: pd.DataFrame, thresholds: dict[str, float], at: datetime) -> Any:
    """Evidently's report of bucketed columns, one explicit metric a column (the preset computes each three times).

    Args:
        reference: columns of bucket names.
        current: the same columns of a window.
        thresholds: PSI threshold of each column.
        at: timestamp written into the snapshot.

    Returns:
        The Evidently snapshot.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(categorical_columns=list(thresholds))
    sides = [Dataset.from_pandas(rows[list(thresholds)], definition) for rows in (current, reference)]
    metrics = [ValueDrift(column=name, method="psi", threshold=bound) for name, bound in thresholds.items()]
    return Report(metrics, include_tests=True).run(*sides, timestamp=at)


def psi_values(reference: pd.DataFrame, current: pd.DataFrame, thresholds: dict[str, float]) -> dict[str, float]:
    """PSI of each column, by the function that Evidently's report calls; tiny negative rounding becomes 0.

    The report spends nine tenths of its time on plots, which only the newest window shows (a test holds both to
    the same numbers).

    Args:
        reference: columns of bucket names.
        current: the same columns of a window, each with at least one known value.
        thresholds: PSI threshold of each column.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently.legacy.calculations.stattests import psi_stat_test
    from evidently.legacy.core import ColumnType

    results = {
        name: psi_stat_test(reference[name].dropna(), current[name].dropna(), ColumnType.Categorical, bound)
        for name, bound in thresholds.items()
    }
    return {name: max(0.0, round(float(result.drift_score), 6)) for name, result in results.items()}


def save_snapshot(snapshot: Any, html: Path, json_file: Path) -> None:
    """Write Evidently's page and JSON. The page's random names are numbered, so equal data give equal bytes."""
    numbers: dict[str, int] = {}
    page = _RANDOM_NAME.sub(
        lambda name: f"name_{numbers.setdefault(name[0], len(numbers))}", snapshot.get_html_str(as_iframe=False)
    )
    for path, text in ((html, page), (json_file, snapshot.json())):
        with atomic_path(path) as temporary:
            temporary.write_text(text)
