"""Copies of requests for the shadow, sent after the customer has been answered."""

from __future__ import annotations

import asyncio

from serving.experiments.client import Servers
from serving.experiments.compare import ComparisonLog
from serving.experiments.config import Experiment
from serving.experiments.metrics import SHADOWS
from serving.experiments.split import MAX_PARSED
from serving.log.hourly import Row


class Shadows:
    """Sends copies in tasks of their own, never more than `Shadow.max_in_flight` at once; further ones are skipped."""

    def __init__(self, servers: Servers, log: ComparisonLog) -> None:
        self._servers, self._log = servers, log
        self._tasks: set[asyncio.Task[None]] = set()

    def copy(self, experiment: Experiment, path: str, headers: dict[str, str], body: bytes, served: Row) -> None:
        """Start a copy of one request, if there is room.

        Args:
            experiment: tells who the shadow is.
            path: the endpoint.
            headers: what proves to the shadow that the caller may ask.
            body: the request.
            served: ``served`` (body of the answer that was returned) and ``latency_ms``.
        """
        shadow = experiment.shadow
        assert shadow is not None
        if len(self._tasks) >= shadow.max_in_flight or len(body) > MAX_PARSED:
            SHADOWS.labels(shadow.variant, "skipped").inc()
            return
        task = asyncio.create_task(self._compare(experiment, shadow.variant, path, headers, body, served))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, timeout_s: float) -> None:
        """Wait for what is on its way, then write the rest of the comparisons."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        await asyncio.to_thread(self._log.close)

    async def _compare(
        self, experiment: Experiment, variant: str, path: str, headers: dict[str, str], body: bytes, served: Row
    ) -> None:
        answer = await self._servers.ask(experiment, variant, path, headers, body, shadow=True)
        SHADOWS.labels(variant, "answered" if answer.good else "failed").inc()
        self._log.add({
            **served, "endpoint": path[1:], "shadow_variant": variant, "shadow_status": answer.status,
            "shadow_latency_ms": 1000 * answer.seconds, "shadowed": answer.body if answer.good else None,
        })  # fmt: skip
