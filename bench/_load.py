"""Load on an HTTP endpoint: as many requests as a number of clients can have answered, or a given rate.

One process and one event loop, so that the generator takes as little of the machine as it can; what it takes counts
against every service alike.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np

NO_ANSWER = 0
"""Counted as the status of a request whose connection broke or that took longer than `TIMEOUT_S`."""
TIMEOUT_S = 60


@dataclass
class Load:
    """What became of the requests of one measurement."""

    seconds: float = 0.0
    latency_ms: list[float] = field(default_factory=list)
    """Of answers with status 200, in order of arrival."""
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers with status 200 a second."""
        return len(self.latency_ms) / self.seconds

    def percentile(self, percent: float) -> float:
        """Latency in milliseconds."""
        return float(np.percentile(self.latency_ms, percent))

    def percentile_in_tenths(self, percent: float) -> list[float]:
        """The same in each tenth of the answers, as they came.

        A tail that few of them make is more likely the machine's than the service's.
        """
        return [float(np.percentile(part, percent)) for part in np.array_split(self.latency_ms, 10) if part.size]


def saturate(url: str, bodies: Iterator[dict[str, Any]], clients: int, seconds: float) -> Load:
    """``clients`` callers for ``seconds``, each of which asks again as soon as it was answered."""
    return asyncio.run(_saturate(url, bodies, clients, seconds))


def at_rate(
    url: str, bodies: Iterator[dict[str, Any]], rate: float, seconds: float, seed: int = 17, even: bool = False
) -> Load:
    """Requests at random times (a Poisson process) or ``even`` ones, whether or not those before were answered.

    A request's latency counts from the time at which it was due.
    """
    count = int(rate * seconds)
    gaps_s = np.full(count, 1 / rate) if even else np.random.default_rng(seed).exponential(1 / rate, count)
    return asyncio.run(_at_rate(url, bodies, np.cumsum(gaps_s)))


def endless(texts: Iterable[str], **fields: Any) -> Iterator[dict[str, Any]]:
    """Request bodies, one text after another, over and over; a number before each keeps all of them distinct."""
    return ({"text": f"{number} {text}", **fields} for number, text in enumerate(itertools.cycle(texts)))


async def _saturate(url: str, bodies: Iterator[dict[str, Any]], clients: int, seconds: float) -> Load:
    load = Load()
    async with _session() as session:
        begun = time.perf_counter()

        async def client() -> None:
            while (asked := time.perf_counter()) < begun + seconds:
                await _ask(session, url, next(bodies), asked, load)

        await asyncio.gather(*(client() for _ in range(clients)))
        load.seconds = time.perf_counter() - begun
    return load


async def _at_rate(url: str, bodies: Iterator[dict[str, Any]], due_s: np.ndarray) -> Load:
    load = Load()
    async with _session() as session:
        begun, waiting = time.perf_counter(), []
        for due in begun + due_s:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            waiting.append(asyncio.create_task(_ask(session, url, next(bodies), due, load)))
        await asyncio.gather(*waiting)
        load.seconds = time.perf_counter() - begun
    return load


async def _ask(session: aiohttp.ClientSession, url: str, body: dict[str, Any], since: float, load: Load) -> None:
    try:
        async with session.post(url, data=json.dumps(body)) as response:
            await response.read()
            status = response.status
    except (aiohttp.ClientError, TimeoutError):
        status = NO_ANSWER
    load.statuses[status] += 1
    if status == 200:
        load.latency_ms.append(1000 * (time.perf_counter() - since))


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    headers = {"content-type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        yield session
