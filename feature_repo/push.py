"""Write a household's features into the online store, the moment they change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from feast.data_source import PushMode

from feature_repo.online import opened, version_of
from feature_repo.services import HOUSEHOLD_EVENT
from feature_repo.views import PUSHED


def push_features(store: Path, rows: dict[str, dict[str, Any]]) -> None:
    """Write one row of each named view; a view that the store does not have is left out.

    Push sources are written in the order of ``rows``: with the state, from which the features follow, at the end, a
    write that broke off is simply made again.

    Args:
        store: folder that `feature_repo.retrieval.apply` made.
        rows: view of `PUSHED` -> its row: the keys, ``event_timestamp`` (UTC) and the features.

    Raises:
        ValueError: a view takes no pushed rows, or the store has no state of households.
    """
    if foreign := [name for name in rows if name not in PUSHED]:
        raise ValueError(f"rows can be pushed to {', '.join(PUSHED)}; found {', '.join(foreign)}")
    feature_store, _, _ = opened(Path(store), HOUSEHOLD_EVENT, version_of(store))
    # One push per source, not per view: each one reads the registry anew.
    by_source: dict[str, dict[str, Any]] = {}
    for view, row in rows.items():
        by_source.setdefault(PUSHED[view], {"created_timestamp": row["event_timestamp"]}).update(row)
    for source, row in by_source.items():
        feature_store.push(source, pd.DataFrame([row]), to=PushMode.ONLINE)
