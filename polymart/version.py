"""Which code runs: a digest of every room whose code a pipeline step executes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from polymart.files import canonical_json, digest_text, digest_tree

ROOMS = ("polymart", "components", "pipelines", "feature_repo", "serving", "monitoring")
SOURCE_SUFFIXES = (".py", ".yaml", ".toml", ".j2", ".html")


def code_version() -> str:
    """``sha256:<hex>`` over the source of `ROOMS`; the command line is left out, since no step runs it."""
    folders = {room: Path(str(spec.origin)).parent for room in ROOMS if (spec := find_spec(room)) is not None}
    digests = {
        room: digest_tree(folder, suffixes=SOURCE_SUFFIXES) for room, folder in folders.items() if room != "polymart"
    }
    library = folders["polymart"]
    parts = sorted(p for p in library.iterdir() if p.name not in ("cli", "__pycache__"))
    digests |= {f"polymart/{part.name}": digest_tree(part, suffixes=SOURCE_SUFFIXES) for part in parts}
    return digest_text(canonical_json(digests))
