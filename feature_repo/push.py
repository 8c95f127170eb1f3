"""Write a household's features into the online store, the moment they change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from feast.data_source import PushMode

from feature_repo.online import opened, version_of
from feature_repo.services import HOUSEHOLD_EVENT
from feature_repo.views import PUSH_SOURCE, PUSHED


def push_features(store: Path, rows: dict[str, dict[str, Any]]) -> None:
    """Write one row of each named view; a view that the store does not have is left out.

    Each view is a transaction of its own, in the order of ``rows``: the row that the others follow from comes last,
    so that a write that broke off is simply made again.

    Args:
        store: folder that `feature_repo.retrieval.apply` made.
        rows: view of `PUSHED` -> its row: the keys, ``event_timestamp`` (UTC) and the features.

    Raises:
        ValueError: a view takes no pushed rows, or the store cannot carry features on.
    """
    if foreign := [name for name in rows if name not in PUSHED]:
        raise ValueError(f"rows can be pushed to {', '.join(PUSHED)}; found {', '.join(foreign)}")
    feature_store, _, _ = opened(Path(store), HOUSEHOLD_EVENT, version_of(store))
    present = {view.name for view in feature_store.list_feature_views(allow_cache=True)}
    for name in (name for name in rows if name in present):
        frame = pd.DataFrame([{**rows[name], "created_timestamp": rows[name]["event_timestamp"]}])
        feature_store.push(PUSH_SOURCE.format(name), frame, to=PushMode.ONLINE)
