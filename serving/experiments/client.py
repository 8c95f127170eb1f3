"""Asks the servers of other variants."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import httpx

from serving.experiments.config import MAX_TIMEOUT_S, ROUTED, Experiment

CREDENTIALS = ("authorization", "x-api-key")
"""Headers that are handed on: the other server asks for the caller's key itself."""


@dataclass(frozen=True)
class Answer:
    """What another server said."""

    status: int
    """HTTP status; 0 where there was no answer in time."""
    body: bytes
    seconds: float

    @property
    def good(self) -> bool:
        return self.status == httpx.codes.OK


class Servers:
    """Connections to the servers of other variants, kept open between requests."""

    def __init__(self) -> None:
        # No proxy of the environment, no redirects: a request goes where the experiment says and nowhere else.
        # A connection rests shorter than servers keep one (uvicorn: 5 s), else requests would meet closed ones.
        limits = httpx.Limits(keepalive_expiry=2.0)
        self._client = httpx.AsyncClient(trust_env=False, timeout=MAX_TIMEOUT_S, limits=limits)

    async def ask(
        self, experiment: Experiment, variant: str, path: str, headers: dict[str, str], body: bytes, *, shadow: bool
    ) -> Answer:
        """Hand a request on; whatever goes wrong is an answer of status 0."""
        started = time.perf_counter()
        status, content = 0, b""
        try:
            async with asyncio.timeout(experiment.timeout_s):
                response = await self._client.post(
                    experiment.url(variant) + path,
                    content=body,
                    headers={**headers, "content-type": "application/json", ROUTED: "shadow" if shadow else "split"},
                )
            status, content = response.status_code, response.content
        except (httpx.HTTPError, TimeoutError):
            pass
        return Answer(status, content, time.perf_counter() - started)

    async def close(self) -> None:
        await self._client.aclose()
