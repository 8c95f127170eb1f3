"""``/search``: which products a query asks for."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from serving.contract.base import Request, Response, Score, Text, Top
from serving.contract.recommend import Product


class SearchRequest(Request):
    """Which products does this query ask for?"""

    model_config = ConfigDict(json_schema_extra={"example": {"query": "whole milk", "top": 10}})

    query: Text = Field(description="What the customer typed; it is never logged.")
    top: Top = Field(10, description="How many products to return, best first.")


class FoundProduct(Product):
    """A product with how well it answers the query: 0 irrelevant, 1 exact."""

    score: Score


class SearchResponse(Response):
    """Products, best first; of those that read the same only the one that is bought most."""

    products: list[FoundProduct]
