"""What is answered while the online store is out of reach."""

from __future__ import annotations

import pandas as pd

from serving.log.notes import note_defaults
from serving.refusals import FeaturesUnavailableError
from serving.scoring import Scorer


def rows_or_defaults(scorer: Scorer, task: str, entity_rows: list[dict[str, int]]) -> tuple[pd.DataFrame, bool]:
    """See `Scorer.rows`; where the store does not answer, rows of which nothing is known, and True.

    For a missing number the model takes the training median, for a missing history what everyone buys.

    Raises:
        UnknownTaskError, UnknownEntityError: see `Scorer.rows`.
    """
    try:
        return scorer.rows(task, entity_rows), False
    except FeaturesUnavailableError:
        note_defaults()
        unknown = dict.fromkeys(scorer.predictor.columns(task))
        return pd.DataFrame([{**unknown, **keys} for keys in entity_rows]), True
