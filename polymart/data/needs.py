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
    """What the tasks and the encoders of ``suite`` read.

    Raises:
        ArchiveError: the encoder's ``dataset`` or ``image_dataset`` is no known archive.
    """
    sources = {task.source for task in suite.tasks if task.table is None}
    archives = {key for key, archive in catalogue().items() if sources & set(archive.sources)}
    archives.add(archive_of(suite.encoder.dataset).key)
    if any(task.inputs.image for task in suite.tasks):
        archives.add(archive_of(suite.encoder.image_dataset).key)
    extras = [name for name, extra in EXTRAS.items() if sources & set(extra.sources)]
    return Needs(sorted(archives), sorted(extras))
