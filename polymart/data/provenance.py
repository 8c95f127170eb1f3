"""Where a raw source's numbers come from and how to get it; told once, by `archives.toml` or `EXTRAS`."""

from __future__ import annotations

from typing import NamedTuple

from polymart.config import Origin
from polymart.data.catalogue import archive_of
from polymart.data.extra import EXTRAS, how_to_get


class Provenance(NamedTuple):
    """What is said of every table made from a source."""

    data_origin: Origin | None
    licence: str
    get: str
    """One line that says how to make the source present."""


def provenance(key: str) -> Provenance:
    """The provenance of the archive or extra dataset ``key``.

    Raises:
        ArchiveError: no archive and no extra dataset is called so.
    """
    if key in EXTRAS:
        return Provenance(EXTRAS[key].origin, EXTRAS[key].licence, how_to_get(key))
    archive = archive_of(key)
    return Provenance(archive.origin, archive.licence, f"run: {archive.how_to_get}")
