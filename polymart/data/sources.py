"""From a suite to its tables: fetch what it needs, find what the user brought, prepare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polymart.config import Settings, Suite
from polymart.data.archives import data_version, fetch, is_within_reach
from polymart.data.catalogue import archive_of
from polymart.data.extra import find_extra
from polymart.data.needs import needs_of
from polymart.data.own_files import missing_file, table_files
from polymart.data.own_tables import how_to_bring
from polymart.data.prepare import prepare_tables
from polymart.data.provenance import provenance
from polymart.errors import TableError
from polymart.files import canonical_json, digest_file, digest_text


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
    folders = {key: _present(key, settings) for key in needs.archives if archive_of(key).sources}
    folders |= {name: find_extra(name, settings) for name in needs.extras}
    sources = {key: folder for key, folder in folders.items() if folder is not None}
    absent = folders.keys() - sources.keys()
    own = [task for task in suite.tasks if task.table and missing_file(task.table, settings) is None]
    if not sources and not own:
        lines = [provenance(key).get for key in sorted(absent)]
        lines += [f"{task.name}: {how_to_bring(task.table)}" for task in suite.tasks if task.table]
        raise TableError(f"no data of suite {suite.name!r} is present", remedy="; ".join(lines))
    wanted = {task.source for task in suite.tasks}
    return prepare_tables(sources, out, wanted=wanted, absent=absent, own=own, settings=settings)


def _present(key: str, settings: Settings) -> Path | None:
    """The folder of an archive, fetched where it is within reach."""
    if not is_within_reach(key, settings):
        return None
    return fetch(key, settings, progress=lambda line: print(line, flush=True))


def suite_data_version(suite: Suite, settings: Settings) -> str:
    """Digest of everything that `prepare_suite_tables` and the encoder would read."""
    version = {"known": data_version(needs_of(suite).archives, settings)}
    for task in suite.tasks:
        if task.table and missing_file(task.table, settings) is None:
            version[task.source] = " ".join(digest_file(path) for path in table_files(task.table, settings))
    return digest_text(canonical_json(version)) if len(version) > 1 else version["known"]
