"""``/recommend``: which categories a household buys from next."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from serving.contract.base import EntityId, Request, Response, ScoredLabel, Top


class RecommendRequest(Request):
    """Which categories will this household buy from next?"""

    model_config = ConfigDict(json_schema_extra={"example": {"household_id": 900, "top": 10}})

    household_id: EntityId = Field(description="A household of the feature store.")
    top: Top = Field(10, description="How many categories to return, best first.")


class RecommendResponse(Response):
    """Categories, best first."""

    household_id: int
    items: list[ScoredLabel]
