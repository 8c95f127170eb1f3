"""``/recommend``: categories and products for a household."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from serving.answers.degrading import rows_or_defaults
from serving.catalogue import NEXT_PRODUCT, Catalogue, ProductRanking, Rules
from serving.contract import RecommendRequest
from serving.scoring import RECOMMEND, Scorer


def recommend(scorer: Scorer, catalogue: Catalogue, request: RecommendRequest) -> dict[str, Any]:
    """``items`` (categories), ``products``, and whether the answer is ``degraded``; empty where no head answers.

    Raises:
        UnknownTaskError: the release recommends neither.
        UnknownEntityError: the store knows nothing of the household.
        UnknownGroupError: a filter names no department or category.
        OverloadedError: too many texts wait for the encoder.
    """
    household = [{"household_id": request.household_id}]
    items: list[dict[str, Any]] = []
    products: Callable[[], list[dict[str, Any]]] = list
    rows, degraded = pd.DataFrame(), False
    if catalogue.ranking is not None:
        rows, degraded = rows_or_defaults(scorer, NEXT_PRODUCT, household)
        products = _products(scorer, catalogue.ranking, rows, request)
    if RECOMMEND in scorer.tasks or catalogue.ranking is None:
        # As a rule next_product reads all that next_category does: then one read of the store serves both.
        if rows.empty or not set(scorer.predictor.columns(RECOMMEND)) <= set(rows):
            rows, degraded = rows_or_defaults(scorer, RECOMMEND, household)
        items = scorer.answer(RECOMMEND, rows, request.top)[0]["items"]
    return {"items": items, "products": products(), "degraded": degraded}


def _products(
    scorer: Scorer, ranking: ProductRanking, rows: pd.DataFrame, request: RecommendRequest
) -> Callable[[], list[dict[str, Any]]]:
    """What ranks the products once the household's history is encoded, which begins here."""
    rules = Rules(**request.model_dump(exclude={"household_id"}))
    batch, device = scorer.predictor.collators[NEXT_PRODUCT](rows), scorer.predictor.device
    text = scorer.vectors_of(NEXT_PRODUCT).coming(batch)
    assert text is not None, "next_product reads a text"
    return lambda: ranking.top(batch.to(device), text().to(device), rules)
