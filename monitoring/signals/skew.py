"""Training/serving skew: features as they were served beside those that the feature store tells of the same moment.

A value is the same when it differs by less than the log rounds; a value that only one side knows differs. Lists and
texts are left out: the log keeps no text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from monitoring.psi import CHANCE
from monitoring.schema import Signal
from monitoring.signals.means import MIN_CLUSTERS
from monitoring.signals.rows import Found
from polymart.config import Task
from polymart.errors import MonitoringError

FLOOR = 0.05
"""Share of differing values that is let pass: an event may reach the online store before the tables."""
TOLERANCE = 1e-4
"""Relative difference of equal numbers: the log rounds to six digits, the model reads float32."""
SAMPLE = 500
"""Answers of a window that are looked up."""

FeatureLookup = Callable[[Task, pd.DataFrame], pd.DataFrame]
"""From answers (entity keys, ``event_timestamp``) to the features known then, in the same order."""


def watch_skew(task: Task, windows: Sequence[pd.DataFrame], lookup: FeatureLookup) -> Iterator[Found]:
    """Signals of every scalar feature that was logged.

    Args:
        task: the task.
        windows: rows of the log with ``features`` (JSON), entity keys, ``event_timestamp`` and ``cluster``.
        lookup: what the feature store tells.
    """
    for number, window in enumerate(windows):
        rows = window[window["features"].notna()]
        rows = rows.sort_values(["prediction_id", "event_timestamp"], kind="stable").head(SAMPLE).reset_index(drop=True)
        if rows.empty:
            continue
        served = pd.DataFrame([json.loads(features) for features in rows["features"]])
        expected = lookup(task, rows).reset_index(drop=True)
        clusters = int(rows["cluster"].nunique())
        for column in [str(name) for name in served if name in expected]:
            yield number, _signal(task.name, column, differing(served[column], expected[column]), clusters)


def differing(served: pd.Series, expected: pd.Series) -> pd.Series:
    """Whether each pair differs, as 0 or 1; missing where the values are lists or both are unknown."""
    if any(isinstance(value, list | np.ndarray) for side in (served, expected) for value in side):
        return pd.Series(np.nan, served.index)
    numbers = [pd.to_numeric(side, errors="coerce").astype(float) for side in (served, expected)]
    numeric = all(number.isna().equals(side.isna()) for number, side in zip(numbers, (served, expected), strict=True))
    if numeric:
        same = np.isclose(numbers[0], numbers[1], rtol=TOLERANCE, atol=1e-6)
    else:
        same = (served.astype(str) == expected.astype(str)).to_numpy()
    return pd.Series(1.0 - same, served.index).where(served.notna() | expected.notna())


def _signal(task: str, column: str, differs: pd.Series, clusters: int) -> Signal:
    known = differs.dropna()
    signal = Signal(name="served beside stored", kind="skew", task=task, column=column, rows=len(known))
    if clusters < MIN_CLUSTERS or known.empty:
        return signal.model_copy(update={"note": f"{clusters} clusters in the window; {MIN_CLUSTERS} are needed"})
    share = float(known.mean())
    bound = FLOOR + float(norm.ppf(1 - CHANCE)) * float(np.sqrt(FLOOR * (1 - FLOOR) / clusters))
    return signal.model_copy(update={"value": share, "threshold": bound, "now": share, "usual": 0.0})


def store_lookup(store: Path, key: bytes, households: Sequence[int]) -> FeatureLookup:
    """Looks features up in a feature store, as they were known at the time.

    Args:
        store: folder of the store.
        key: secret of the log's pseudonyms.
        households: ids that may stand behind them.
    """
    from serving.log.render import pseudonym

    ids = {pseudonym(household, key): household for household in households}

    def look(task: Task, answers: pd.DataFrame) -> pd.DataFrame:
        from feature_repo.retrieval import retrieve  # lazily: feast takes one to two seconds

        if task.feature_service is None:
            return pd.DataFrame(index=answers.index)
        entities = answers[["event_timestamp"]].assign(
            household_id=answers["household"].map(ids).astype("Int64"),
            **{name: answers[name] for name in ("campaign_id", "category_id", "store_id") if name in answers},
        )
        asked = entities.dropna(axis=1, how="all").dropna()
        if asked.empty:
            return pd.DataFrame(index=answers.index)
        whole = asked.astype({name: "int64" for name in asked if name != "event_timestamp"})
        try:
            found = retrieve(store, task.feature_service, whole)
        except (ValueError, FileNotFoundError) as error:
            raise MonitoringError(
                f"the feature store in {store} cannot tell the features of task {task.name!r}: {error}",
                remedy="give the store that serves this release, or leave it out to watch no skew",
            ) from error
        return found.set_index(asked.index).drop(columns=list(asked)).reindex(answers.index)

    return look
