"""From a suite to its tables: fetch what it needs, find what the user brought, prepare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polymart.config import Settings, Suite
from polymart.data.archives import data_version, fetch
from polymart.data.extra import find_extra
from polymart.data.needs import needs_of
from polymart.data.prepare import prepare_tables


def prepare_suite_tables(suite: Suite, settings: Settings, out: Path) -> dict[str, Any]:
    """Fetch the archives of ``suite``'s tasks, take up the extra datasets that are present, write ``tables/``.

    Args:
        suite: its tasks name the sources.
        settings: where archives and extra datasets lie.
        out: the ``tables/`` artifact, replaced whole.

    Returns:
        The content of ``tables.json``.

    Raises:
        ArchiveError: an archive cannot be fetched or its checksum differs.
        TableError: nothing is left to prepare, or a raw file breaks its schema.
    """
    needs = needs_of(suite)
    archives = [key for key in needs.archives if key != suite.encoder.dataset]
    sources = {key: fetch(key, settings, progress=lambda line: print(line, flush=True)) for key in archives}
    sources |= {name: folder for name in needs.extras if (folder := find_extra(name, settings)) is not None}
    return prepare_tables(sources, out)


def suite_data_version(suite: Suite, settings: Settings) -> str:
    """Digest of everything that `prepare_suite_tables` and the encoder would read."""
    return data_version(needs_of(suite).archives, settings)
