"""What every section of a suite shares: the base model and the names of things."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["binary", "multiclass", "multilabel", "tagging", "count", "regression", "ranking", "retrieval"]
Origin = Literal["real", "real-redated", "authored", "derived", "synthetic"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,48}$")]
Fraction = Annotated[float, Field(gt=0, le=1)]


class Frozen(BaseModel):
    """Base of every suite section: immutable, typed strictly, numbers finite, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
