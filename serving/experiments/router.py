"""Hands each request to its variant, and a copy of it to the shadow."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.experiments.client import CREDENTIALS, Servers
from serving.experiments.compare import ComparisonLog
from serving.experiments.config import Experiment
from serving.experiments.metrics import LATENCY, REQUESTS
from serving.experiments.shadow import Shadows
from serving.experiments.split import assign, in_share, unit_of


class Router:
    """Answers from the variant of the request's household; from this server where that one does not answer with 200.

    So an experiment never costs a customer an answer: at worst the time that another variant had to give one.

    Args:
        app: answers as this server's own variant.
        own: its name.
        experiment: gives the experiment as it is now.
        log: of the comparisons with the shadow; None where nothing is logged, and then nothing is copied.
    """

    def __init__(self, app: ASGIApp, own: str, experiment: Callable[[], Experiment], log: ComparisonLog | None) -> None:
        self._app, self._own, self._experiment = app, own, experiment
        self._servers = Servers()
        self._shadows = Shadows(self._servers, log) if log is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, experiment, path = time.perf_counter(), self._experiment(), scope["path"]
        headers = Headers(scope=scope)
        handed_on = {name: headers[name] for name in CREDENTIALS if name in headers}
        body, replayed = await _read(receive)
        unit = unit_of(body)
        variant = assign(unit, experiment.name, experiment.weights)
        answer = _Answer(send)
        if variant != self._own:
            other = await self._servers.ask(experiment, variant, path, handed_on, body, shadow=False)
            _count(variant, path, other.status, other.seconds)
            if other.good:
                await Response(other.body, media_type="application/json")(scope, receive, answer.send)
        if not answer.status:
            asked = time.perf_counter()
            await self._app(scope, replayed, answer.send)
            _count(self._own, path, answer.status, time.perf_counter() - asked)
        if self._is_copied(experiment, unit) and answer.status == 200:
            served = {"served": bytes(answer.body), "latency_ms": 1000 * (time.perf_counter() - started)}
            self._shadows.copy(experiment, path, handed_on, body, served)  # type: ignore[union-attr]

    async def close(self) -> None:
        """Let copies that are on their way arrive, then end the connections."""
        if self._shadows is not None:
            await self._shadows.close(self._experiment().timeout_s)
        await self._servers.close()

    def _is_copied(self, experiment: Experiment, unit: str) -> bool:
        shadow = experiment.shadow
        return shadow is not None and self._shadows is not None and in_share(unit, experiment.name, shadow.share)


class _Answer:
    """Passes an answer on and keeps what it said."""

    def __init__(self, send: Send) -> None:
        self._send, self.status, self.body = send, 0, bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")
        await self._send(message)


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """The whole body, which the guard has bounded, and a way to receive it again."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    pending = [body]

    async def replayed() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return body, replayed


def _count(variant: str, path: str, status: int, seconds: float) -> None:
    REQUESTS.labels(variant, path[1:], status or "none").inc()
    LATENCY.labels(variant, path[1:]).observe(seconds)
