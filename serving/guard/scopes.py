"""Which scope each path asks for."""

from __future__ import annotations

from serving.guard.keys import Scope

OPEN = frozenset({"/", "/docs", "/docs.json", "/schema.json", "/livez", "/healthz", "/readyz"})
"""Probes, pages and the contract: they tell nothing of any customer."""
OPEN_FOLDER = "/static_content/"
"""Style and scripts of ``/docs``."""
OTHERS: dict[str, Scope] = {"/feedback": "feedback", "/events": "events", "/metrics": "metrics"}


def needed_scope(path: str) -> Scope | None:
    """The scope that ``path`` asks for; None where everybody may look. A path that nobody thought of is closed."""
    if path in OPEN or path.startswith(OPEN_FOLDER):
        return None
    return OTHERS.get(path, "predict")


def is_work(path: str) -> bool:
    """Whether a request to ``path`` takes a place among those in flight; who watches must see an overloaded service."""
    return needed_scope(path) not in (None, "metrics")
