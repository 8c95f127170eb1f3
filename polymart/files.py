"""Files between rooms: atomic writes, content digests, canonical JSON.

Nothing half-written is ever taken for whole: a file or folder is written under a temporary
name beside its final place and renamed when complete.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from polymart.errors import StorageError

_STORAGE_ERRNO = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EDQUOT: "the disk quota is used up",
    errno.EEXIST: "a file stands where a folder is needed",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EFBIG: "the file exceeds the largest size allowed",
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write below ``path`` into a `StorageError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE_ERRNO:
            raise
        free = shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free
        raise StorageError(
            f"cannot write {path}: {_STORAGE_ERRNO[error.errno]} ({free / 1e9:.1f} GB free)",
            remedy="free some space, or point POLYMART_WORK_DIR / POLYMART_DATA_DIR at a writable disk, and run again",
        ) from error


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary file path beside ``path``; rename it to ``path`` when the block succeeds.

    Raises:
        StorageError: the disk is full, read-only or forbidden.
    """
    path = Path(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; it replaces ``path`` whole when the block succeeds.

    Raises:
        StorageError: the disk is full, read-only or forbidden.
    """
    path = Path(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        try:
            yield temporary
            os.chmod(temporary, 0o755)  # noqa: S103 - mkdtemp makes 0700; other users of the machine may read a run
            if path.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
                try:
                    os.replace(path, old / "old")
                    _move_or_restore(temporary, path, old / "old")
                finally:
                    shutil.rmtree(old, ignore_errors=True)
            else:
                os.replace(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def link_tree(source: Path, target: Path) -> None:
    """Put the files below ``source`` below ``target`` too: under a second name where one disk holds both, else copied.

    For files that are only ever replaced, never changed in place: both names mean the same bytes.

    Raises:
        StorageError: the disk refuses.
    """

    with storage_errors(target):
        for path in (path for path in source.rglob("*") if path.is_file()):
            new = target / path.relative_to(source)
            new.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, new)
            except OSError:  # another disk, or one that knows no links
                shutil.copyfile(path, new)


def _move_or_restore(new: Path, path: Path, old: Path) -> None:
    """Move ``new`` to ``path``; where that fails, what lay there before comes back."""
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(old, path)
        raise


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spare space, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def write_json(path: Path | str, value: Any) -> None:
    """Write readable JSON atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        StorageError: the file is absent or not JSON.
    """
    try:
        return json.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StorageError(
            f"{path} cannot be read as JSON: {error}", remedy="run the step that writes it again"
        ) from error


def digest_text(text: str) -> str:
    """``sha256:<hex>`` of a text."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path | str) -> str:
    """``sha256:<hex>`` of a file's bytes."""
    with open(path, "rb") as handle:
        return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


def digest_tree(path: Path | str, *, suffixes: tuple[str, ...] = ()) -> str:
    """``sha256:<hex>`` over the relative names and bytes of every file below ``path``.

    Args:
        path: a folder (or a single file).
        suffixes: count only files ending in one of these; all files if empty.
    """
    path = Path(path)
    if path.is_file():
        return digest_file(path)
    names = sorted(
        p.relative_to(path).as_posix()
        for p in path.rglob("*")
        if p.is_file()
        and "__pycache__" not in p.relative_to(path).parts
        and (not suffixes or p.name.endswith(suffixes))
    )
    return digest_text("\n".join(f"{name} {digest_file(path / name)}" for name in names))
