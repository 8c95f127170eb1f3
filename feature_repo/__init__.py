"""Features of the shop, by feast.

Feast decorates its classes with typeguard's ``typechecked``, which parses and compiles their source anew whenever
feast is imported: five of six and a half seconds on a slow core, for every step, command and server. What this
project hands to feast is checked by mypy, so feast's classes stay as they were written; everybody else's are checked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import typeguard


def _sparing_feast(check: Callable[..., Any]) -> Callable[..., Any]:
    """`typeguard.typechecked`, which leaves what belongs to feast alone."""

    @wraps(check)
    def typechecked(target: Any = None, **options: Any) -> Any:
        if target is None:
            return lambda decorated: typechecked(decorated, **options)
        return target if target.__module__.partition(".")[0] == "feast" else check(target, **options)

    return typechecked


typeguard.typechecked = _sparing_feast(typeguard.typechecked)
