"""Requests and responses of the service. Every input is bounded; an unknown key is refused.

A request outside its bounds is answered with 400 and the offending field; values are never echoed or logged.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_TEXT = 2_000
MAX_LIST = 100
MAX_TOP = 100
MAX_ID = 2**63 - 1
"""Entity ids are 64-bit integers in every store."""

EntityId = Annotated[int, Field(ge=0, le=MAX_ID)]
Top = Annotated[int, Field(ge=1, le=MAX_TOP)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT)]
Score = Annotated[float, Field(ge=0, le=1)]


class Request(BaseModel):
    """Base of every request: strict types, no unknown keys, values kept out of error messages."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class RecommendRequest(Request):
    """Which categories will this household buy from next?"""

    model_config = ConfigDict(json_schema_extra={"example": {"household_id": 900, "top": 10}})

    household_id: EntityId = Field(description="A household of the feature store.")
    top: Top = Field(10, description="How many categories to return, best first.")


class AdsRequest(Request):
    """Which of these campaigns should this household see?"""

    model_config = ConfigDict(json_schema_extra={"example": {"household_id": 900, "campaign_ids": [8, 13, 18]}})

    household_id: EntityId = Field(description="A household of the feature store.")
    campaign_ids: list[EntityId] = Field(
        min_length=1, max_length=MAX_LIST, description="Campaigns to rank; one named twice is ranked once."
    )


class DemandRequest(Request):
    """How many units of this category will this store sell next week?"""

    model_config = ConfigDict(json_schema_extra={"example": {"category_id": 12, "store_id": 367}})

    category_id: EntityId = Field(description="A category of the feature store.")
    store_id: EntityId = Field(description="A store of the feature store.")


class UnderstandRequest(Request):
    """What does this text say? Every text-only task of the release answers from one encoder pass."""

    model_config = ConfigDict(json_schema_extra={"example": {"text": "Where is my refund?", "top": 3}})

    text: Text = Field(description="Free text; it is never logged.")
    top: Top = Field(10, description="How many labels with scores each task returns.")


class Response(BaseModel):
    """What every answer carries."""

    prediction_id: str = Field(description="Names this answer in the prediction log.")
    checkpoint: str = Field(description="Digest of the checkpoint that answered, ``sha256:<hex>``.")


class ScoredLabel(BaseModel):
    """A label of the task's label map."""

    label: str
    score: Score


class RecommendResponse(Response):
    """Categories, best first."""

    household_id: int
    items: list[ScoredLabel]


class ScoredCampaign(BaseModel):
    """Probability that the household redeems a coupon of the campaign."""

    campaign_id: int
    score: Score


class AdsResponse(Response):
    """Campaigns, best first."""

    household_id: int
    items: list[ScoredCampaign]


class DemandResponse(Response):
    """Units of the coming week: the median and the task's ``quantile``, e.g. ``{"q50": 11.2, "q95": 23.1}``."""

    category_id: int
    store_id: int
    quantiles: dict[str, Annotated[float, Field(ge=0)]]


class UnderstandResponse(Response):
    """One answer per text-only task; a multiclass task answers with ``label``, ``score`` and ``scores``."""

    tasks: dict[str, dict[str, Any]]


class Refusal(BaseModel):
    """Body of every 4xx and 503 that the service itself decides."""

    error: str = Field(description="The thing, the rule and the value found.")
    remedy: str = Field("", description="What the caller can do about it.")
