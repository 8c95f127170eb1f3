"""A quiet exit: ibis keeps its DuckDB connection in a global, and DuckDB prints a page of leak warnings about it."""

from __future__ import annotations

import atexit
import sys


def _release_connection() -> None:
    ibis = sys.modules.get("ibis")
    backend = getattr(getattr(ibis, "options", None), "default_backend", None)
    if ibis is not None and backend is not None:
        backend.disconnect()
        backend.con = None
        ibis.options.default_backend = None


atexit.register(_release_connection)
