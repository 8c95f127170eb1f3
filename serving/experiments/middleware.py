"""The one middleware of experiments; without ``POLYMART_EXPERIMENT`` the server answers everything itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polymart.errors import PolymartError
from serving.experiments.config import FILE, ROUTED, load_experiment, own_variant
from serving.guard.scopes import needed_scope
from serving.guard.watched import WatchedFile
from serving.log.notes import SHADOW

if TYPE_CHECKING:
    from serving.experiments.router import Router


class Experiments:
    """Hands decisions to the variants of an experiment; stands inside of the guards."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._router: Router | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._live(scope, receive, send)
        # Events and feedback belong to all variants alike.
        if scope["type"] != "http" or scope["method"] != "POST" or needed_scope(scope["path"]) != "predict":
            return await self.app(scope, receive, send)
        routed = Headers(scope=scope).get(ROUTED)
        if self._router is not None and routed is None:
            return await self._router(scope, receive, send)
        token = SHADOW.set(routed == "shadow")
        try:
            await self.app(scope, receive, send)
        finally:
            SHADOW.reset(token)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._router = _router(self.app)
        except PolymartError as error:
            # The server ends with this message instead of going on without its experiment.
            return await send({"type": "lifespan.startup.failed", "message": str(error)})

        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown" and self._router is not None:
                await self._router.close()
            return message

        await self.app(scope, receiving, send)


def _router(app: ASGIApp) -> Router | None:
    """The router of the experiment that the environment names; None without one.

    Raises:
        SettingError: see `load_experiment`.
    """
    path = os.environ.get(FILE, "")
    if not path:
        return None
    # Imported in a worker only: the process that supervises it needs neither pyarrow nor metrics.
    from serving.experiments.compare import ComparisonLog
    from serving.experiments.router import Router
    from serving.log.prediction import DIRECTORY

    own, folder = own_variant(), os.environ.get(DIRECTORY, "")
    file = WatchedFile(Path(path), lambda path: load_experiment(path, own, logged=bool(folder)))
    return Router(app, own, file.value, ComparisonLog(Path(folder)) if folder else None)
