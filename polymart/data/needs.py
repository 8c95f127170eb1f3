"""Which archives and extra datasets a suite needs."""

from __future__ import annotations

from typing import NamedTuple

from polymart.config import Suite
from polymart.data.catalogue import archive_of, catalogue
from polymart.data.extra import EXTRAS


class Needs(NamedTuple):
    """What a suite reads."""

    archives: list[str]
    """Keys of `catalogue`, to be fetched."""
    extras: list[str]
    """Names of `EXTRAS`, to be brought by the user."""


def needs_of(suite: Suite) -> Needs:
    """What the tasks and the encoder of ``suite`` read.

    Raises:
        ArchiveError: the encoder's ``dataset`` is no known archive.
    """
    sources = {task.source for task in suite.tasks}
    archives = {key for key, archive in catalogue().items() if sources & set(archive.sources)}
    archives.add(archive_of(suite.encoder.dataset).key)
    extras = [name for name, extra in EXTRAS.items() if sources & set(extra.sources)]
    return Needs(sorted(archives), sorted(extras))
