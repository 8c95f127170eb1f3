"""How many requests are worked on at once, and how long one may take."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.guard.answers import refusal
from serving.guard.scopes import is_work

RETRY_S = 1.0


class Load:
    """Answers 503 with Retry-After when ``max_in_flight`` requests are in flight, or one takes over ``timeout_s``.

    A thread cannot be stopped, so a request that took too long keeps its place until its work has really ended:
    otherwise late work would pile up behind a service that believes itself idle.
    """

    def __init__(self, app: ASGIApp, max_in_flight: int, timeout_s: float) -> None:
        self.app, self.max_in_flight, self.timeout_s = app, max_in_flight, timeout_s
        self._work: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_work(scope["path"]):
            return await self.app(scope, receive, send)
        if len(self._work) >= self.max_in_flight:
            busy = refusal(503, "the service is at its limit", "try again shortly", retry_after_s=RETRY_S)
            return await busy(scope, receive, send)
        answer = _Answer(send)
        work = asyncio.ensure_future(self.app(scope, receive, answer.send))
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        done, _ = await asyncio.wait({work}, timeout=self.timeout_s)
        if done or answer.started:
            return await work
        answer.abandoned = True
        late = f"the request was not answered within {self.timeout_s:g} s"
        await refusal(503, late, "try again shortly", retry_after_s=RETRY_S)(scope, receive, send)


class _Answer:
    """What the endpoint answers; nothing is passed on once the caller has been told that it came too late."""

    def __init__(self, send: Send) -> None:
        self._send, self.started, self.abandoned = send, False, False

    async def send(self, message: Message) -> None:
        if not self.abandoned:
            self.started = True
            await self._send(message)
