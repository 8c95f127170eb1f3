"""What is noted of a request while it is answered, for its rows in the prediction log.

Endpoints need not carry this along: it is held by a context variable, which BentoML's threads inherit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
SHADOW: ContextVar[bool] = ContextVar("shadow", default=False)
"""Whether the request is a copy whose answer nobody gets (see `serving.experiments`)."""


@dataclass
class Notes:
    """Notes of one request."""

    endpoint: str | None = None
    """Name of the endpoint that answers."""
    read: list[tuple[dict[str, int], Row]] = field(default_factory=list)
    """Features read so far, as pairs of entity keys and values."""
    degraded: bool = False
    """Whether defaults stood in for features."""


_NOTES: ContextVar[Notes | None] = ContextVar("notes", default=None)


@contextmanager
def noting(endpoint: str) -> Iterator[None]:
    """Note what happens within the block as part of one request to ``endpoint``."""
    token = _NOTES.set(Notes(endpoint))
    try:
        yield
    finally:
        _NOTES.reset(token)


def note_inputs(**values: Any) -> None:
    """Note what the request itself brought; free text needs a name that ends in ``text``, by which the log knows it."""
    note_features([{}], [values])


def note_features(entity_rows: list[dict[str, int]], rows: list[Row]) -> None:
    """Note features that were read for the request, if one is being answered."""
    if (notes := _NOTES.get()) is not None:
        notes.read.extend(zip(entity_rows, rows, strict=True))


def note_defaults() -> None:
    """Note that defaults stand in for features of the request."""
    if (notes := _NOTES.get()) is not None:
        notes.degraded = True


def request_notes() -> dict[str, Any]:
    """The notes of the present request as values of a log row; `serving.log.render` turns ``read`` into features."""
    notes = _NOTES.get() or Notes()
    return {"shadow": SHADOW.get(), **vars(notes)}
