"""Take chosen members out of zip, tar and deb archives, flat, and nothing else.

A pattern is a glob over the names inside the archive; ``a!b`` opens the archive that ``a`` matches and
looks for ``b`` in it, to any depth. Members land by basename, so that no name inside an archive can
decide where a file is written; a name that tries (absolute, or with ``..``) is refused all the same.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from polymart.errors import ArchiveError

_REPORT = "delete the file; if a fresh download says the same, the package must not be used"
_Opener = Callable[[str], IO[bytes]]


def unpack(source: Path, patterns: list[str], into: Path) -> list[Path]:
    """Copy the members of ``source`` that match ``patterns`` into the existing folder ``into``.

    Returns:
        The files written, sorted by name.

    Raises:
        ArchiveError: not a readable archive, a pattern without a match, two members of one basename,
            or a member whose name leads out of the folder.
    """
    try:
        with _opened(source) as (names, open_member):
            written = [path for pattern in patterns for path in _unpack_one(source, pattern, names, open_member, into)]
    except (zipfile.BadZipFile, tarfile.TarError, subprocess.CalledProcessError, EOFError) as error:
        raise ArchiveError(f"{source.name} cannot be opened as an archive: {error}", remedy=_REPORT) from error
    return sorted(written)


def _unpack_one(source: Path, pattern: str, names: list[str], open_member: _Opener, into: Path) -> Iterator[Path]:
    head, _, rest = pattern.partition("!")
    matches = [name for name in names if fnmatchcase(name, head)]
    if not matches:
        raise ArchiveError(f"{source.name} must hold {head!r}, found no such member", remedy="correct its patterns")
    for name in matches:
        if rest:
            yield from _unpack_nested(name, rest, open_member, into)
        else:
            yield _copy(source, name, open_member, into)


def _unpack_nested(name: str, rest: str, open_member: _Opener, into: Path) -> list[Path]:
    with tempfile.TemporaryDirectory(prefix=".nested.", dir=into) as folder:
        inner = Path(folder) / PurePosixPath(name).name
        with open_member(name) as reader, inner.open("wb") as writer:
            shutil.copyfileobj(reader, writer)
        return unpack(inner, [rest], into)


def _copy(source: Path, name: str, open_member: _Opener, into: Path) -> Path:
    target = into / PurePosixPath(name).name
    if target.exists():
        raise ArchiveError(
            f"{source.name} holds two members named {target.name!r}; a folder keeps one", remedy="narrow its patterns"
        )
    with open_member(name) as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer)
    return target


@contextmanager
def _opened(source: Path) -> Iterator[tuple[list[str], _Opener]]:
    """Names of the regular files inside ``source`` and a way to read one."""
    if source.suffix == ".deb":
        folder = tempfile.TemporaryDirectory(prefix=".deb.", dir=source.parent)
        with folder as name, _opened(_data_of_deb(source, Path(name) / "data.tar")) as opened:
            yield opened
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            yield [_safe(source, i.filename) for i in archive.infolist() if not i.is_dir()], archive.open
    else:
        with tarfile.open(source) as tar:
            yield [_safe(source, m.name) for m in tar.getmembers() if m.isreg()], lambda name: _read_tar(tar, name)


def _read_tar(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    reader = tar.extractfile(name)
    assert reader is not None, "only regular files are listed"
    return reader


def _data_of_deb(source: Path, target: Path) -> Path:
    if not shutil.which("dpkg-deb"):
        raise ArchiveError(f"{source.name} needs dpkg-deb to be opened, found none", remedy="use a Debian machine")
    with target.open("wb") as writer:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", str(source)], stdout=writer, stderr=subprocess.PIPE, check=True)
    return target


def _safe(source: Path, name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise ArchiveError(f"{source.name} holds the member {name!r}, which leads out of its folder", remedy=_REPORT)
    return name
