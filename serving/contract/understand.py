"""``/understand``: what a text says."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from serving.contract.base import Request, Response, Text, Top


class UnderstandRequest(Request):
    """What does this text say? Every text-only task of the release answers from one encoder pass."""

    model_config = ConfigDict(json_schema_extra={"example": {"text": "Where is my refund?", "top": 3}})

    text: Text = Field(description="Free text; it is never logged.")
    top: Top = Field(10, description="How many labels with scores each task returns.")


class UnderstandResponse(Response):
    """One answer per text-only task: a multiclass task answers with ``label``, ``score`` and ``scores``, a task that
    finds documents with ``items``, best first."""

    tasks: dict[str, dict[str, Any]]
