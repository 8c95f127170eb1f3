"""Datasets that lie in no package: read from a folder of the user's own, ``POLYMART_EXTRA_DATA``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from polymart.config import Origin, Settings
from polymart.errors import DataError


class Extra(BaseModel):
    """One dataset that the user downloads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[str, ...]
    """Files that must exist in ``<extra_data>/<name>/``."""
    upstream: str
    """Where the dataset is published, in words."""
    sources: tuple[str, ...]
    """Task sources (`Task.source`) whose examples are made from it."""
    licence: str
    origin: Origin = "real"


EXTRAS = {
    "banking77": Extra(
        files=("train.csv", "test.csv"),
        upstream="PolyAI's task-specific-datasets, folder banking_data",
        sources=("intent",),
        licence="CC-BY-4.0",
    ),
    "goemotions": Extra(
        files=("train.tsv", "dev.tsv", "test.tsv", "labels.txt"),
        upstream="google-research, folder goemotions/data (emotions.txt saved as labels.txt)",
        sources=("emotion",),
        licence="Apache-2.0",
    ),
}


def find_extra(name: str, settings: Settings) -> Path | None:
    """The folder of the dataset ``name``, or None unless all of its files exist.

    Raises:
        DataError: no such dataset is known.
    """
    extra = _extra(name)
    if settings.extra_data is None:
        return None
    folder = settings.extra_data / name
    return folder if all((folder / file).is_file() for file in extra.files) else None


def how_to_get(name: str) -> str:
    """One line that says how to make the dataset ``name`` present.

    Raises:
        DataError: no such dataset is known.
    """
    extra = _extra(name)
    return (
        f"download {', '.join(extra.files)} from {extra.upstream} into a folder {name}/ "
        "and set POLYMART_EXTRA_DATA to the folder that holds it"
    )


def _extra(name: str) -> Extra:
    if name not in EXTRAS:
        raise DataError(f"no extra dataset is called {name!r}", remedy=f"use one of: {', '.join(sorted(EXTRAS))}")
    return EXTRAS[name]
