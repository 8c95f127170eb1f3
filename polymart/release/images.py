"""The build context of a container image: every file that goes into it, fetched and hashed beforehand.

The build itself then needs neither network nor package index, and what is installed is what the lock files pin:
``pip wheel`` compares what it fetches with their hashes, and the wheels' own hashes are written into the context.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from polymart.errors import ReleaseError
from polymart.files import atomic_folder, digest_file
from polymart.release.sbom import Package, sbom

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 3600
TAIL = 15
"""Lines of a failed pip that the error shows."""


def locked(pins: Iterable[str], locks: Sequence[Path]) -> str:
    """The lines of the lock files, hashes included, for some distributions.

    Args:
        pins: ``name==version``.
        locks: files as `make lock` writes them; of two that pin the same name, the later one counts.

    Raises:
        ReleaseError: no file pins one of them in this version, or without a hash.
    """
    pinned = {}
    for lock in locks:
        for block in re.split(r"\n(?=\w)", lock.read_text()):
            if found := re.match(r"([\w.-]+)==([^\s\\]+)", block):
                pinned[canonicalize_name(found[1])] = (found[2].partition("+")[0], block.strip())
    lines = []
    for pin in pins:
        name, _, version = pin.partition("==")
        found_version, block = pinned.get(canonicalize_name(name), ("nothing", ""))
        if found_version != version or "--hash=sha256:" not in block:
            raise ReleaseError(
                f"{pin} must stand with its hash in {', '.join(map(str, locks))}, found {found_version}",
                remedy="run `make setup`, so that what is installed is what the lock files pin, or `make lock`",
            )
        lines.append(block)
    return "\n".join(lines) + "\n"


def write_context(
    image: str, pins: Sequence[str], locks: Sequence[Path], out: Path, *, version: str, bento: Path | None = None
) -> None:
    """Write the folder that a container tool builds ``image`` from; replaced whole.

    Args:
        image: ``jobs`` or ``serving``.
        pins: ``name==version`` of every distribution in it.
        locks: see `locked`.
        version: commit or digest of the source, for the list of contents.
        bento: folder of a bento; the image of jobs has Polymart itself instead.

    Raises:
        ReleaseError: something is not pinned, or cannot be fetched or built.
        StorageError: the disk refuses.
    """
    requirements = locked(pins, locks)
    with atomic_folder(out) as folder:
        wheels = folder / "wheels"
        with tempfile.TemporaryDirectory(prefix="polymart-image-") as scratch:
            wanted = Path(scratch, "requirements.txt")
            wanted.write_text(requirements)
            _pip_wheel("--no-build-isolation", "--require-hashes", "--requirement", str(wanted), into=wheels)
            if bento is None:
                source = Path(scratch, "source")
                _copy_source(source)
                _pip_wheel("--no-build-isolation", str(source), into=wheels)
        packages = [_package(wheel) for wheel in sorted(wheels.glob("*.whl"))]
        lines = [f"{package.name}=={package.version} --hash=sha256:{package.sha256}" for package in packages]
        (folder / "requirements.txt").write_text("\n".join(lines) + "\n")
        (folder / "sbom.cdx.json").write_text(sbom(f"polymart-{image}", version, packages))
        shutil.copyfile(ROOT / "images" / f"{image}.Dockerfile", folder / "Dockerfile")
        if bento is not None:
            shutil.copytree(bento, folder / "bento")


def _copy_source(target: Path) -> None:
    """What the wheel is built from, without what a build would leave in the checkout."""
    for room in ("polymart", "components", "pipelines", "feature_repo", "serving", "monitoring"):
        shutil.copytree(ROOT / room, target / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md"):
        shutil.copyfile(ROOT / file, target / file)


def _package(wheel: Path) -> Package:
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return Package(name, str(version), digest_file(wheel).removeprefix("sha256:"))


def _pip_wheel(*arguments: str, into: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(into), *arguments]
    try:
        done = subprocess.run(
            command, text=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL, capture_output=True
        )
    except subprocess.TimeoutExpired as error:
        raise ReleaseError(f"pip wheel did not end within {TIMEOUT_S} s", remedy="try again") from error
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-TAIL:])
        raise ReleaseError(
            f"pip wheel failed with status {done.returncode}:\n{tail}", remedy="correct what the last lines name"
        )
