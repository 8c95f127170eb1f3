"""``/demand``: how many units of a category a store will sell, and what to order."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from serving.contract.base import EntityId, Request, Response

MAX_WEEKS = 8
"""Beyond two months the assumption that weeks are alike says nothing."""
Units = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Quantiles = dict[str, Annotated[float, Field(ge=0)]]


class StockRequest(Request):
    """What the store has of the category, and how it is supplied."""

    on_hand: Units = Field(0.0, description="Units on the shelf and in the back room.")
    on_order: Units = Field(0.0, description="Units ordered and not yet arrived.")
    lead_time_days: int = Field(2, ge=0, le=365, description="Days from order to arrival.")
    review_days: int = Field(7, ge=1, le=365, description="Days between two looks at the stock.")


class DemandRequest(Request):
    """How many units of this category will this store sell in the coming weeks?"""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"category_id": 12, "store_id": 367, "weeks": 2, "stock": {"on_hand": 4, "lead_time_days": 2}}
        }
    )

    category_id: EntityId = Field(description="A category of the feature store.")
    store_id: EntityId = Field(description="A store of the feature store.")
    weeks: int = Field(1, ge=1, le=MAX_WEEKS, description="Horizon; see ``total``.")
    stock: StockRequest | None = Field(None, description="Give it to be told what to order.")


class Order(BaseModel):
    """An order-up-to suggestion (`polymart.tasks.inventory`), in units."""

    safety_stock: float
    reorder_point: float = Field(description="At or below it the stock may run out before an order arrives.")
    order_up_to: float
    quantity: int = Field(description="Units to order at this review.")
    urgent: bool = Field(description="Whether the stock is at or below the reorder point.")


class DemandResponse(Response):
    """Units as the median and the task's ``quantile``, e.g. ``{"q50": 11.2, "q95": 23.1}``."""

    category_id: int
    store_id: int
    weeks: int
    quantiles: Quantiles = Field(description="Units of the coming week: what the head predicts.")
    total: Quantiles = Field(
        description="Units of all ``weeks`` together. The head knows one week; the others are taken to be independent "
        "of it and alike, so the median grows with the weeks and the distance to the upper quantile with their root."
    )
    order: Order | None = Field(description="Null when no ``stock`` was given.")
