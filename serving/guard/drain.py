"""How a worker stops: it says that it is not ready, goes on answering, then lets what is in flight end."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.guard.answers import refusal

_log = logging.getLogger(__name__)


class Drain:
    """On SIGTERM: ``/readyz`` says 503 and every answer ends its connection; ``drain_s`` later the server stops.

    In that time whoever routes requests turns to other replicas, so that nobody meets a closed door. The server
    (uvicorn) then accepts nothing new, finishes what is in flight, and BentoML writes the rest of the prediction log.
    """

    def __init__(self, app: ASGIApp, drain_s: float) -> None:
        self.app, self.drain_s, self.draining = app, drain_s, False

    def watch(self) -> bool:
        """Take SIGTERM over from the server, within its event loop; returns whether there is a server."""
        stop = signal.getsignal(signal.SIGTERM)
        if threading.current_thread() is not threading.main_thread() or not callable(stop):
            return False  # a test client's loop: nobody sends it signals
        loop = asyncio.get_running_loop()

        def begin() -> None:
            # A second SIGTERM means at once.
            delay_s = 0 if self.draining else self.drain_s
            self.draining = True
            _log.info("SIGTERM: not ready any more, stopping in %g s", delay_s)
            loop.call_later(delay_s, stop, signal.SIGTERM, None)

        loop.add_signal_handler(signal.SIGTERM, begin)
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.draining:
            return await self.app(scope, receive, send)

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        stopping = refusal(503, "the worker is stopping", "ask another replica", retry_after_s=self.drain_s)
        await (stopping if scope["path"] == "/readyz" else self.app)(scope, receive, closing)
