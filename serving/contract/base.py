"""What every request and response of the service shares: strict types and bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

MAX_TEXT = 2_000
MAX_LIST = 100
MAX_TOP = 100
MAX_ID = 2**63 - 1
"""Entity ids are 64-bit integers in every store."""

EntityId = Annotated[int, Field(ge=0, le=MAX_ID)]
Top = Annotated[int, Field(ge=1, le=MAX_TOP)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT)]
Score = Annotated[float, Field(ge=0, le=1)]
Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(3000, 1, 1, tzinfo=UTC))]
"""A time with its zone; further off lies what clocks and tables cannot hold."""


class Request(BaseModel):
    """Base of every request: strict types, no unknown keys, values kept out of error messages."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Response(BaseModel):
    """What every answer carries."""

    prediction_id: str = Field(description="Names this answer in the prediction log.")
    checkpoint: str = Field(description="Digest of the checkpoint that answered, ``sha256:<hex>``.")
    variant: str = Field("main", description="Name of the variant that answered, where releases serve side by side.")
    degraded: bool = Field(False, description="True when the online store was out of reach and defaults stood in.")


class ScoredLabel(BaseModel):
    """A label of the task's label map."""

    label: str
    score: Score


class Refusal(BaseModel):
    """Body of every 4xx and 503 that the service itself decides."""

    error: str = Field(description="The thing, the rule and the value found.")
    remedy: str = Field("", description="What the caller can do about it.")
