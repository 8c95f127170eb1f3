"""``/household``: what a household will do next."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from serving.contract.base import MAX_LIST, EntityId, Request, Response, Score


class HouseholdRequest(Request):
    """Will this household come back, and what will it buy again?"""

    model_config = ConfigDict(json_schema_extra={"example": {"household_id": 900, "category_ids": [12, 40]}})

    household_id: EntityId = Field(description="A household of the feature store.")
    category_ids: list[EntityId] = Field(
        default=[], max_length=MAX_LIST, description="Categories to judge; one named twice is judged once."
    )


class Repurchase(BaseModel):
    """Probability that the household buys from the category within seven days."""

    category_id: int
    score: Score


class HouseholdResponse(Response):
    """Probabilities; null where the release has no such head."""

    household_id: int
    churn: Score | None = Field(description="That it makes no visit in the next 30 days.")
    next_action: Score | None = Field(description="That it visits again within three days of its last visit.")
    repurchase_7d: list[Repurchase] | None = Field(description="The categories asked for, likeliest first.")
