"""What is made from a checkpoint when it is packaged lies beside it, in folders bound to it by digests.

``manifest.json``: ``version``, ``checkpoint`` (its digest) and ``files`` (digest of every other file).
"""

from __future__ import annotations

from pathlib import Path

from polymart.errors import ReleaseError
from polymart.files import digest_file, read_json, write_json

MANIFEST = "manifest.json"
VERSION = 1


def seal(folder: Path, checkpoint: str) -> None:
    """Write the manifest of ``folder``, made from the checkpoint with this digest; nothing may change afterwards."""
    files = {path.relative_to(folder).as_posix(): digest_file(path) for path in sorted(folder.rglob("*.*"))}
    write_json(folder / MANIFEST, {"version": VERSION, "checkpoint": checkpoint, "files": files})


def verify_seal(folder: Path, checkpoint: str) -> None:
    """Check that ``folder`` was made from this checkpoint and is whole.

    Raises:
        ReleaseError: it has no manifest, belongs to another checkpoint, or a file differs.
    """
    remedy = "build the bento again"
    if not (folder / MANIFEST).is_file():
        raise ReleaseError(f"{folder} was not packaged: {MANIFEST} is absent", remedy=remedy)
    manifest = read_json(folder / MANIFEST)
    if manifest["checkpoint"] != checkpoint:
        raise ReleaseError(
            f"{folder} must belong to checkpoint {checkpoint}, found {manifest['checkpoint']}", remedy=remedy
        )
    for name, expected in manifest["files"].items():
        found = digest_file(folder / name) if (folder / name).is_file() else "absent"
        if found != expected:
            raise ReleaseError(f"packaged file {folder / name} must have {expected}, found {found}", remedy=remedy)
