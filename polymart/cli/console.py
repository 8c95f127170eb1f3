"""One console, and whether it is read by a person at a terminal or stands in a log."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_WIDTH = 120


def is_plain() -> bool:
    """True where bars would only litter a log: under ``CI=true``, or where stderr is no terminal."""
    import sys

    return os.environ.get("CI", "").lower() in ("1", "true") or not sys.stderr.isatty()


@cache
def console(*, stderr: bool = False) -> Console:
    """The console of this process; results go to stdout, progress and errors to stderr."""
    from rich.console import Console

    # A log has no width of its own; Rich would wrap tables at 80.
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=_PLAIN_WIDTH)
