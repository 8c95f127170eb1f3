"""Which code runs: a digest of every room whose code a pipeline step executes, and its commit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from polymart.config import Settings
from polymart.files import canonical_json, digest_text, digest_tree

ROOMS = ("polymart", "components", "pipelines", "feature_repo", "serving", "monitoring")
SOURCE_SUFFIXES = (".py", ".yaml", ".toml", ".j2", ".html")
_DESCRIBE = ("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")


def code_version() -> str:
    """``sha256:<hex>`` over the source of `ROOMS`; the command line is left out, since no step runs it."""
    library = Path(__file__).parent
    # Rooms lie side by side, in a checkout, an installation and an image alike. Asking the import system for them would
    # find any folder on its path that has the name of a room.
    rooms = {room: library.with_name(room) for room in ROOMS if room != library.name}
    present = {room: folder for room, folder in rooms.items() if (folder / "__init__.py").is_file()}
    digests = {room: digest_tree(folder, suffixes=SOURCE_SUFFIXES) for room, folder in present.items()}
    parts = sorted(p for p in library.iterdir() if p.name not in ("cli", "__pycache__"))
    digests |= {f"polymart/{part.name}": digest_tree(part, suffixes=SOURCE_SUFFIXES) for part in parts}
    return digest_text(canonical_json(digests))


def library_version(*parts: str) -> str:
    """``sha256:<hex>`` over the source of some parts of the library, e.g. ``model`` or ``tasks/base.py``."""
    library = Path(__file__).parent
    return digest_text(canonical_json({part: digest_tree(library / part, suffixes=SOURCE_SUFFIXES) for part in parts}))


def code_commit() -> str:
    """Git commit of the checkout that this code runs from, ``-dirty`` where files differ from it.

    An image has no checkout: there POLYMART_CODE_COMMIT, set when it was built, says the commit. Empty where neither
    is known.
    """
    if named := Settings().code_commit:
        return named
    source = Path(__file__).resolve()
    # The first command tells a checkout of Polymart from a foreign repository that merely holds the installed package.
    ours = _git("ls-files", "--error-unmatch", source.name, folder=source.parent)
    return _git(*_DESCRIBE, folder=source.parent) if ours else ""


def _git(*arguments: str, folder: Path) -> str:
    """What git prints; empty where it refuses or is absent."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = kept | {"GIT_OPTIONAL_LOCKS": "0"}  # only look: somebody may be committing
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()
