"""``/events``: a basket that was just paid."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from serving.contract.base import MAX_LIST, EntityId, Moment, Request

EventOutcome = Literal["applied", "duplicate", "older", "empty"]
EventId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class BasketLine(Request):
    """One product of a basket."""

    product_id: EntityId = Field(description="A product of the shop; fuel and unknown products are left out.")
    quantity: int = Field(1, ge=1, le=100, description="Units; at most 50 count, as in training.")
    value: float = Field(ge=0, le=100_000, allow_inf_nan=False, description="Dollars that were paid for the line.")
    coupon: bool = Field(False, description="Whether a coupon was redeemed for it.")


class EventRequest(Request):
    """A household has paid for a basket: its features change now instead of with the next batch."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "event_id": "41352214",
                "household_id": 900,
                "at": "2017-12-31T18:03:27Z",
                "items": [{"product_id": 1029743, "quantity": 2, "value": 5.38}],
            }
        }
    )

    event_id: EventId = Field(description="The shop's number of the basket; told again, the basket counts once.")
    household_id: EntityId = Field(description="A household; one that the feature store does not know begins here.")
    at: Moment = Field(description="When the basket was paid (ISO 8601 with a time zone); seconds count.")
    items: list[BasketLine] = Field(
        min_length=1,
        max_length=MAX_LIST,
        description="Its lines; one that is told twice in the same words counts once.",
    )


class EventResponse(BaseModel):
    """What became of the basket."""

    event_id: str
    household_id: int
    outcome: EventOutcome = Field(
        description="applied: the features hold it; duplicate: they held it already; older: the household has a newer "
        "basket, so the next batch takes it; empty: no line of it counts. Only applied changes anything."
    )
    newest: AwareDatetime | None = Field(description="Time of the household's newest basket now; null without any.")
