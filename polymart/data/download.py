"""Download one pinned file with the ordinary client of its index, and check its bytes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from polymart.data.catalogue import Archive
from polymart.errors import ArchiveError
from polymart.files import digest_file


def download(archive: Archive, into: Path) -> Path:
    """Download ``archive`` into the existing folder ``into`` and return the file.

    Raises:
        ArchiveError: the client is absent or fails, or the file is not the pinned one.
    """
    command = _pip_command(archive, into) if archive.client == "pip" else _apt_command(archive)
    done = subprocess.run(command, cwd=into, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise _failure(archive, done.stderr)
    file = into / archive.filename
    if not file.is_file():
        found = ", ".join(sorted(p.name for p in into.iterdir())) or "nothing"
        raise ArchiveError(
            f"archive {archive.key!r} must arrive as {archive.filename}, found {found}",
            remedy=f"check that your package index holds {archive.requirement}",
        )
    digest = digest_file(file).removeprefix("sha256:")
    if digest != archive.sha256:
        raise _mismatch(archive, digest)
    return file


def has_client(archive: Archive) -> bool:
    """Whether this machine has the client that downloads ``archive``; pip comes with Python."""
    return archive.client == "pip" or shutil.which("apt-get") is not None


def _pip_command(archive: Archive, into: Path) -> list[str]:
    """Command line of pip, given the pinned hash in a requirements file.

    pip runs the setup.py of an sdist to learn its name and version, even for a mere download. It checks
    the hash before that, so only the pinned bytes are ever run; without build isolation that needs no
    further download (setuptools is pinned in requirements/lock.txt).
    """
    wanted = into / "wanted.txt"
    wanted.write_text(f"{archive.requirement} --hash=sha256:{archive.sha256}\n")
    options = ["--no-binary", ":all:", "--no-build-isolation"] if archive.sdist else ["--only-binary", ":all:"]
    return [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-deps", "--require-hashes", *options, "--requirement", str(wanted), "--dest", str(into)),
    ]


def _apt_command(archive: Archive) -> list[str]:
    if not has_client(archive):
        raise ArchiveError(
            f"archive {archive.key!r} is the Debian package {archive.requirement}, but this machine has no apt-get",
            remedy="fetch it on a Debian or Ubuntu machine and copy the folder, or use a suite without it",
        )
    return ["apt-get", "--quiet", "download", archive.requirement]


def _failure(archive: Archive, stderr: str) -> ArchiveError:
    # pip's own report of a wrong hash; told here in the words used for every client.
    if got := re.search(r"Got\s+([0-9a-f]{64})", stderr):
        return _mismatch(archive, got.group(1))
    tail = "\n".join(f"  {line}" for line in stderr.strip().splitlines()[-6:]) or "  (it printed no reason)"
    check = "the network and the package index"
    if archive.client == "apt":
        check += " (apt-get update; Debian 12 holds this version, docs/data.md)"
    return ArchiveError(
        f"archive {archive.key!r} cannot be downloaded; {archive.client} download {archive.requirement} said:\n{tail}",
        remedy=f"check {check}, then run the same command again",
    )


def _mismatch(archive: Archive, digest: str) -> ArchiveError:
    return ArchiveError(
        f"archive {archive.key!r} must have sha256 {archive.sha256}, found {digest}; nothing of it was kept",
        remedy="do not use that file; check which index or mirror served it",
    )
