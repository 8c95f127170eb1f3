"""Pinned package archives: fetch them once, find them, say which are present.

One archive is one folder ``<data_dir>/archives/<key>-<first 12 of sha256>/`` with its members, flat, and
``.complete.json``, written last. A folder without that marker is never taken for whole.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from polymart.config import Frozen, Origin, Settings
from polymart.data.catalogue import Archive, archive_of, catalogue
from polymart.data.download import download, has_client
from polymart.data.extra import EXTRAS, find_extra, how_to_get
from polymart.data.unpack import unpack
from polymart.errors import ArchiveError, StorageError
from polymart.files import (
    atomic_folder,
    canonical_json,
    digest_file,
    digest_text,
    digest_tree,
    read_json,
    storage_errors,
)

__all__ = ["ArchiveStatus", "catalogue", "data_version", "fetch", "is_present", "is_within_reach", "locate", "status"]

MARKER = ".complete.json"


class ArchiveStatus(Frozen):
    """What `polymart data list` shows of one archive or extra dataset."""

    key: str
    present: bool
    bytes: int
    """Size of the unpacked members on disk."""
    licence: str
    origin: Origin | None
    how_to_get: str
    note: str = ""


def fetch(
    key: str, settings: Settings, *, progress: Callable[[str], None] | None = None, accept_terms: bool = False
) -> Path:
    """Make an archive present and return its folder; a second call touches no network.

    Args:
        key: a key of `catalogue`.
        settings: ``data_dir`` is where archives are kept.
        progress: told in one line what happens, where anything does.
        accept_terms: the user accepts the terms of an archive that has ``requires_opt_in``.

    Raises:
        ArchiveError: unknown key, terms not accepted, download failed, or other bytes than the pinned ones.
        StorageError: the disk refuses the write.
    """
    archive = archive_of(key)
    folder = _folder(archive, settings)
    if _is_whole(archive, folder):  # asked before the lock, so that a read-only data folder can be used
        return folder
    with _lock(folder):
        if not _is_whole(archive, folder):
            _check_terms(archive, accept_terms)
            (progress or _silent)(f"fetching {archive.requirement}")
            _fill(archive, folder)
    return folder


def is_present(key: str, settings: Settings) -> bool:
    """Whether an archive was fetched before, whole.

    Raises:
        ArchiveError: unknown key.
    """
    archive = archive_of(key)
    return _is_whole(archive, _folder(archive, settings))


def is_within_reach(key: str, settings: Settings) -> bool:
    """Whether an archive is present, or can be fetched here: it asks for no terms and this machine has its client.

    Raises:
        ArchiveError: unknown key.
    """
    archive = archive_of(key)
    return is_present(key, settings) or (not archive.requires_opt_in and has_client(archive))


def locate(key: str, settings: Settings) -> Path:
    """The folder of an archive that was fetched before.

    Raises:
        ArchiveError: unknown key, or not fetched yet.
    """
    archive = archive_of(key)
    folder = _folder(archive, settings)
    if not _is_whole(archive, folder):
        raise ArchiveError(
            f"archive {key!r} must lie complete in {folder}, found {'a part of it' if folder.exists() else 'nothing'}",
            remedy=f"run: polymart data fetch {key}",
        )
    return folder


def status(settings: Settings) -> list[ArchiveStatus]:
    """Every archive and extra dataset: present or how to get it."""
    return [_archive_status(archive, settings) for archive in catalogue().values()] + [
        _extra_status(name, settings) for name in EXTRAS
    ]


def data_version(keys: list[str], settings: Settings) -> str:
    """``sha256:<hex>`` that changes when any data behind ``keys`` or any present extra dataset changes.

    An archive out of reach is not read, and counts from the moment that it is present.

    Raises:
        ArchiveError: unknown key.
    """
    version = {key: archive_of(key).sha256 for key in keys if is_within_reach(key, settings)}
    for name in EXTRAS:
        if (folder := find_extra(name, settings)) is not None:
            version[f"extra/{name}"] = digest_tree(folder)
    return digest_text(canonical_json(version))


def _folder(archive: Archive, settings: Settings) -> Path:
    return settings.data_dir / "archives" / f"{archive.key}-{archive.sha256[:12]}"


def _is_whole(archive: Archive, folder: Path) -> bool:
    # The patterns are compared too: a later release of Polymart may want more members of the same file.
    marker = folder / MARKER
    return marker.is_file() and read_json(marker)["patterns"] == archive.members


def _fill(archive: Archive, folder: Path) -> None:
    """Download, check and unpack under a temporary name; the finished folder appears at once."""
    for torn in folder.parent.glob(f".{folder.name}.*.partial"):  # left by a process that was killed
        shutil.rmtree(torn, ignore_errors=True)
    with atomic_folder(folder) as partial:
        with tempfile.TemporaryDirectory(prefix=".download.", dir=partial) as downloads:
            file = download(archive, Path(downloads))
            members = unpack(file, archive.members, partial)
        for member in members:
            member.chmod(0o755 if archive.executable else 0o644)
        files = {member.name: digest_file(member).removeprefix("sha256:") for member in members}
        marker = {"sha256": archive.sha256, "patterns": archive.members, "files": files}
        (partial / MARKER).write_text(canonical_json(marker) + "\n")


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one process fill ``folder`` at a time; the system drops the lock if that process dies."""
    with storage_errors(folder):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise StorageError(
                f"{folder.parent} must be a folder, found a file in its path",
                remedy="move that file, or point POLYMART_DATA_DIR elsewhere",
            ) from error
        with open(folder.parent / f".{folder.name}.lock", "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _check_terms(archive: Archive, accepted: bool) -> None:
    if archive.requires_opt_in and not accepted:
        raise ArchiveError(
            f"archive {archive.key!r} is fetched only by those who accept its terms: {archive.requires_opt_in}",
            remedy=f"if you accept them, run: polymart data fetch {archive.key} --accept-terms",
        )


def _silent(_line: str) -> None:
    """Say nothing."""


def _archive_status(archive: Archive, settings: Settings) -> ArchiveStatus:
    folder = _folder(archive, settings)
    present = _is_whole(archive, folder)
    return ArchiveStatus(
        key=archive.key,
        present=present,
        bytes=_size(folder) if present else 0,
        licence=archive.licence,
        origin=archive.origin,
        how_to_get=archive.how_to_get,
        note=archive.note,
    )


def _extra_status(name: str, settings: Settings) -> ArchiveStatus:
    folder = find_extra(name, settings)
    return ArchiveStatus(
        key=name,
        present=folder is not None,
        bytes=_size(folder) if folder else 0,
        licence=EXTRAS[name].licence,
        origin=EXTRAS[name].origin,
        how_to_get=how_to_get(name),
    )


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
