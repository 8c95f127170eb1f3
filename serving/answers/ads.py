"""``/ads``: campaigns ranked for a household."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.answers.degrading import rows_or_defaults
from serving.contract import AdsRequest
from serving.scoring import ADS, Scorer


def rank_campaigns(scorer: Scorer, request: AdsRequest) -> dict[str, Any]:
    """``items``, each campaign once, best first, and whether they are ``degraded``.

    Equal scores keep the order asked; so do all of them while the online store is out of reach.

    Raises:
        UnknownTaskError, UnknownEntityError: see `Scorer.rows`.
    """
    campaigns = list(dict.fromkeys(request.campaign_ids))
    pairs = [{"household_id": request.household_id, "campaign_id": campaign} for campaign in campaigns]
    frame, degraded = rows_or_defaults(scorer, ADS, pairs)
    scores_B = scorer.scores(ADS, frame)[:, 0]
    best_first = np.argsort(-scores_B, kind="stable")
    items = [{"campaign_id": campaigns[i], "score": float(scores_B[i])} for i in best_first]
    return {"items": items, "degraded": degraded}
