"""Natural batching: one thread encodes whatever texts wait; while it does, the next batch gathers.

No timer holds a lonely request back, and batches grow with the load by themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from itertools import groupby, islice

import numpy as np
from prometheus_client import Counter

from polymart.model.texts import padded
from serving.encoding.runtimes import TILE, Runtime
from serving.refusals import OverloadedError

MAX_BATCH = 128
"""Most texts taken at once, oldest first, so that nobody waits behind a caller with thousands."""
PASS = 32
"""Tokens of padding that cost as much as one more pass (MiniLM in bfloat16 on two cores)."""
PASSES = Counter("polymart_encoder_passes", "Forward passes of the shared encoder")
TEXTS = Counter("polymart_encoder_texts", "Texts encoded; those found in the cache are not")


class Batcher:
    """Encodes token ids for many callers at once.

    Args:
        runtime: runs the forward passes.
        pad: the tokenizer's padding id.
        max_waiting: texts that may wait; callers that find as many are refused.
    """

    def __init__(self, runtime: Runtime, pad: int, max_waiting: int) -> None:
        self.runtime, self.pad, self.max_waiting = runtime, pad, max_waiting
        self._waiting: dict[bytes, np.ndarray] = {}
        self._answers: dict[bytes, Future[np.ndarray]] = {}
        """Of the texts that wait and of those being encoded: equal texts of several callers share one."""
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="polymart-encoder", daemon=True)
        self._thread.start()

    def submit(self, texts: Mapping[bytes, np.ndarray]) -> dict[bytes, Future[np.ndarray]]:
        """The coming vector of each text, given by its token ids and by a key that equal texts share.

        Raises:
            OverloadedError: `max_waiting` texts wait already, or the service stops.
        """
        with self._changed:
            if self._closed or len(self._waiting) >= self.max_waiting:
                raise OverloadedError(
                    f"{len(self._waiting)} texts wait for the encoder, at most {self.max_waiting} may",
                    remedy="try again in a second; more replicas answer more texts",
                )
            for key, ids in texts.items():
                if key not in self._answers:
                    self._waiting[key], self._answers[key] = ids, Future()
            self._changed.notify()
            return {key: self._answers[key] for key in texts}

    def close(self) -> None:
        """Encode what waits, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._take():
            for bucket in buckets(batch):
                self._encode(bucket)

    def _take(self) -> dict[bytes, np.ndarray]:
        """The oldest texts that wait; empty when the batcher was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return {key: self._waiting.pop(key) for key in list(islice(self._waiting, MAX_BATCH))}

    def _encode(self, bucket: Mapping[bytes, np.ndarray]) -> None:
        tokens, mask = padded(list(bucket.values()), self.pad)
        PASSES.inc()
        TEXTS.inc(len(bucket))
        try:
            vectors_UD = self.runtime.encode(tokens.numpy(), mask.numpy())
        except Exception as error:  # whatever the runtime raises belongs to the callers; the thread must go on
            for key in bucket:
                self._answer(key).set_exception(error)
        else:
            for key, vector_D in zip(bucket, vectors_UD, strict=True):
                self._answer(key).set_result(vector_D)

    def _answer(self, key: bytes) -> Future[np.ndarray]:
        with self._changed:
            return self._answers.pop(key)


def buckets(texts: Mapping[bytes, np.ndarray]) -> Iterator[dict[bytes, np.ndarray]]:
    """``texts`` in groups of similar length, longest first: shorter texts get a pass of their own where padding them
    would cost more.
    """
    bucket: dict[bytes, np.ndarray] = {}
    longest = 0
    for tiles, keys in groupby(sorted(texts, key=lambda key: -_tiles(texts[key])), key=lambda key: _tiles(texts[key])):
        group = {key: texts[key] for key in keys}
        if bucket and len(group) * (longest - tiles) * TILE > PASS:
            yield bucket
            bucket = {}
        longest = longest if bucket else tiles
        bucket |= group
    if bucket:
        yield bucket


def _tiles(ids: np.ndarray) -> int:
    return -(-len(ids) // TILE)
