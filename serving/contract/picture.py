"""``/picture``: what a picture shows."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from serving.contract.base import Request, Response, Top

MAX_PICTURE = 4 * 2**20
"""Bytes of an encoded picture."""
MAX_PIXELS = 12_600_000
"""What a phone's camera makes; read from the header before anything is unpacked."""
PICTURE_TYPES = ("image/jpeg", "image/png")
RED_DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8Dwn4EIwDiqkL4KAfQBBwGPyVwcAAAAAElFTkSuQmCC"


class PictureRequest(Request):
    """What does this picture show? The bare bytes as ``image/png`` or ``image/jpeg`` are taken, too."""

    model_config = ConfigDict(json_schema_extra={"example": {"image": RED_DOT, "top": 3}})

    image: str = Field(
        min_length=1,
        max_length=-(-MAX_PICTURE // 3) * 4,
        description=f"A PNG or JPEG in base64, at most {MAX_PICTURE:,} bytes and {MAX_PIXELS:,} pixels.",
    )
    top: Top = Field(10, description="How many labels with scores each task returns.")


class PictureResponse(Response):
    """One answer per picture task; a tagging task also lists the ``labels`` that apply."""

    tasks: dict[str, dict[str, Any]]
