"""The catalogue of pinned archives (`archives.toml`): what each is, and the only bytes accepted for it."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import Field

from polymart.config import Frozen, Origin
from polymart.errors import ArchiveError


class Archive(Frozen):
    """One pinned package file of an index, and the members taken out of it."""

    key: str
    """Name by which suites and commands ask for it."""
    client: Literal["pip", "apt"]
    """Whose ordinary client downloads it."""
    requirement: str
    """Exact version in the client's own notation (``name==1.0`` or ``name=1.0-1``)."""
    sdist: bool = False
    """Take the source archive, not the wheel."""
    filename: str
    """Name of the file that the client leaves behind."""
    sha256: str
    """Hex digest that the file must have."""
    members: list[str]
    """Globs of the only members unpacked; ``a!b`` is ``b`` inside the nested archive ``a``."""
    sources: list[str] = Field(default_factory=list)
    """Task sources (`Task.source`) whose examples are made from it."""
    executable: bool = False
    """Make the members executable."""
    licence: str
    origin: Origin | None = None
    """Where the numbers come from; none for a tool."""
    note: str = ""
    requires_opt_in: str = ""
    """Terms that the user must accept first; none where the licence asks for nothing."""

    @property
    def how_to_get(self) -> str:
        """The command that makes it present; with its terms, where it has any."""
        command = f"polymart data fetch {self.key}"
        return f"{command} --accept-terms (terms: {self.requires_opt_in})" if self.requires_opt_in else command


@cache
def catalogue() -> dict[str, Archive]:
    """Every known archive by key."""
    text = resources.files("polymart.data").joinpath("archives.toml").read_text()
    return {key: Archive(key=key, **entry) for key, entry in tomllib.loads(text).items()}


def archive_of(key: str) -> Archive:
    """The archive called ``key``.

    Raises:
        ArchiveError: no such archive.
    """
    if key not in catalogue():
        raise ArchiveError(f"no archive is called {key!r}", remedy=f"use one of: {', '.join(sorted(catalogue()))}")
    return catalogue()[key]
