"""``/recommend``: which categories and products a household buys next."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from serving.contract.base import MAX_LIST, EntityId, Request, Response, Score, ScoredLabel, Top

GroupName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
"""A department or a category, as products show it; upper and lower case are the same."""


class RecommendRequest(Request):
    """Which categories and products will this household buy next?"""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"household_id": 900, "top": 10, "only": ["grocery"], "bought": "drop", "diversity": 0.3}
        }
    )

    household_id: EntityId = Field(description="A household of the feature store.")
    top: Top = Field(10, description="How many categories, and how many products, to return.")
    only: list[GroupName] = Field(
        [], max_length=MAX_LIST, description="Departments or categories to choose products from; none takes all."
    )
    without: list[GroupName] = Field([], max_length=MAX_LIST, description="Departments or categories left out.")
    bought: Literal["keep", "drop"] = Field(
        "keep", description="Whether products that the household bought before may come again."
    )
    diversity: float = Field(
        0.0, ge=0, le=1, description="0 returns the likeliest products, 1 those least like each other."
    )


class Product(BaseModel):
    """A product of the catalogue."""

    item_id: int | str
    text: str
    category: str
    department: str


class RecommendedProduct(Product):
    """A product with its share of what the household is expected to buy next."""

    score: Score
    bought: bool = Field(description="Whether the household bought it before.")


class RecommendResponse(Response):
    """Categories and products, best first; empty where the release has no head for them."""

    household_id: int
    items: list[ScoredLabel] = Field(description="Categories.")
    products: list[RecommendedProduct]
