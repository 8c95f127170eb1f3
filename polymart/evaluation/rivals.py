"""Other models that a candidate is held against on the same test rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Champion:
    """The model of the release that runs now."""

    release: str
    """Its name, e.g. ``shop-20240102-030405-0123abcd``."""
    checkpoint: Path
    """Its checkpoint folder."""
