"""The one middleware that the service adds: it puts the guards together when a worker starts."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from polymart.errors import PolymartError
from serving.guard.access import Access
from serving.guard.bodies import Bodies
from serving.guard.drain import Drain
from serving.guard.kept import keep_connections
from serving.guard.load import Load
from serving.guard.logs import shorten_callers_faults
from serving.guard.paths import KnownPaths, known_paths
from serving.guard.settings import GuardSettings, guard_settings


class Guard:
    """All guards around ``app``; see `serving.guard`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._guarded: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                self._guarded = self._start(guard_settings(), scope)
            except PolymartError as error:
                # The server ends with this message instead of going on without guards.
                return await send({"type": "lifespan.startup.failed", "message": str(error)})
            return await self.app(scope, receive, send)
        if scope["type"] == "http" and self._guarded is not None:
            return await self._guarded(scope, receive, send)
        # No endpoint speaks over a websocket.
        await send({"type": "websocket.close", "code": 1008})

    def _start(self, settings: GuardSettings, scope: Scope) -> ASGIApp:
        load = Load(Bodies(self.app), settings.max_in_flight, settings.timeout_s)
        drain = Drain(Access(load, settings), settings.drain_s)
        if drain.watch():
            keep_connections()
        shorten_callers_faults()
        # BentoML puts its middlewares outside of ours; this one has to stand outside of them.
        app = scope["app"]
        app.middleware_stack = KnownPaths(app.middleware_stack, known_paths(app.routes))
        return drain
