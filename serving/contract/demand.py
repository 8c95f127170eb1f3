"""``/demand``: how many units of a category a store will sell."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from serving.contract.base import EntityId, Request, Response


class DemandRequest(Request):
    """How many units of this category will this store sell next week?"""

    model_config = ConfigDict(json_schema_extra={"example": {"category_id": 12, "store_id": 367}})

    category_id: EntityId = Field(description="A category of the feature store.")
    store_id: EntityId = Field(description="A store of the feature store.")


class DemandResponse(Response):
    """Units of the coming week: the median and the task's ``quantile``, e.g. ``{"q50": 11.2, "q95": 23.1}``."""

    category_id: int
    store_id: int
    quantiles: dict[str, Annotated[float, Field(ge=0)]]
