"""``/recommend``: categories and products for a household."""

from __future__ import annotations

from typing import Any

from serving.answers.degrading import rows_or_defaults
from serving.catalogue import NEXT_PRODUCT, Catalogue, Rules
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
    answer: dict[str, Any] = {"items": [], "products": [], "degraded": False}
    if RECOMMEND in scorer.tasks or catalogue.ranking is None:
        rows, answer["degraded"] = rows_or_defaults(scorer, RECOMMEND, household)
        answer["items"] = scorer.answer(RECOMMEND, rows, request.top)[0]["items"]
    if catalogue.ranking is not None:
        rows, answer["degraded"] = rows_or_defaults(scorer, NEXT_PRODUCT, household)
        rules = Rules(**request.model_dump(exclude={"household_id"}))
        batch = scorer.predictor.collators[NEXT_PRODUCT](rows).to(scorer.predictor.device)
        answer["products"] = catalogue.ranking.top(batch, scorer.vectors.of_batch(batch), rules)
    return answer
