"""Which paths exist. BentoML counts and logs every path that a caller thinks up; this stands before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.guard.answers import refusal


class KnownPaths:
    """Answers 404 to every path but ``known``, outside of everything that counts or logs."""

    def __init__(self, app: ASGIApp, known: Iterable[str]) -> None:
        self.app, self.known = app, frozenset(known)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self.known:
            return await refusal(404, "there is no such path")(scope, receive, send)
        await self.app(scope, receive, send)


def known_paths(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[str]:
    """Every path that ``routes`` can answer, files of mounted folders included."""
    for route in routes:
        if isinstance(route, Route):
            yield prefix + route.path
        elif isinstance(route, Mount) and isinstance(route.app, Starlette):
            yield from known_paths(route.app.routes, prefix + route.path)
        elif isinstance(route, Mount) and isinstance(route.app, StaticFiles):
            folder = Path(str(route.app.directory))
            yield from (f"{prefix}{route.path}/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*"))
