"""``/ads``: which campaigns a household should see."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from serving.contract.base import MAX_LIST, EntityId, Request, Response, Score


class AdsRequest(Request):
    """Which of these campaigns should this household see?"""

    model_config = ConfigDict(json_schema_extra={"example": {"household_id": 900, "campaign_ids": [8, 13, 18]}})

    household_id: EntityId = Field(description="A household of the feature store.")
    campaign_ids: list[EntityId] = Field(
        min_length=1, max_length=MAX_LIST, description="Campaigns to rank; one named twice is ranked once."
    )


class ScoredCampaign(BaseModel):
    """Probability that the household redeems a coupon of the campaign."""

    campaign_id: int
    score: Score


class AdsResponse(Response):
    """Campaigns, best first."""

    household_id: int
    items: list[ScoredCampaign]
