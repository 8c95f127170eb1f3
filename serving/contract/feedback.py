"""``/feedback``: what became of an answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from serving.contract.base import EntityId, Moment, Request

FeedbackOutcome = Literal[
    "bought", "redeemed", "clicked", "dismissed", "happened", "not_happened", "confirmed", "corrected"
]
PredictionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
TaskName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]
Entry = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class FeedbackRequest(Request):
    """What a customer, or whoever knows better, did with an answer. It becomes a label (docs/serving.md)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "prediction_id": "3f9c2a7184d04a6f9a0c5c4c2a6d7b11",
                "outcome": "bought",
                "item": "yogurt",
                "at": "2017-12-31T18:03:27Z",
            }
        }
    )

    prediction_id: PredictionId = Field(description="As in the answer; one that nobody knows is kept all the same.")
    outcome: FeedbackOutcome = Field(description="What was done; clicked is kept, but is no label.")
    item: EntityId | Entry | None = Field(
        None, description="The entry of the answer that it concerns: a label, a product, a campaign; the right label."
    )
    task: TaskName | None = Field(None, description="The task that it concerns, where one answer tells of several.")
    at: Moment | None = Field(None, description="When it was done; now, if it is not told.")


class FeedbackResponse(BaseModel):
    """Whether it is kept."""

    prediction_id: str
    recorded: bool = Field(description="False where the service keeps no prediction log, so that nothing could join.")
