"""Natural batching: a thread encodes whatever texts wait; while it does, the next batch gathers.

There are as many threads as the runtime has lanes. No timer holds a lonely request back, and passes grow with the load
by themselves, up to what the runtime takes at its best: from there on a longer pass only makes everyone wait. What is
made of the vectors is made in the same thread, for all texts of a pass at once: heads that ran in the requests' threads
would take turns at the interpreter's lock with every small product.

Shape suffixes: U texts, D hidden size.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from prometheus_client import Counter as Metric

from polymart.model.texts import padded
from serving.encoding.runtimes import TILE, PassShape, Runtime
from serving.refusals import OverloadedError

Read = Callable[[np.ndarray], Sequence[Any]]
"""What to make of the vectors of several texts: (U, D) to U results, each made from its own row alone."""
Key = tuple[bytes, Read]
"""A digest of a text's token ids, and what is to be made of its vector; equal keys share one result."""
Name = TypeVar("Name", bound=Hashable)
PASSES = Metric("polymart_encoder_passes", "Forward passes of the shared encoder")
TEXTS = Metric("polymart_encoder_texts", "Texts encoded; those found in the cache are not")


class Batcher:
    """Encodes token ids for many callers at once.

    Args:
        runtime: runs the forward passes.
        pad: the tokenizer's padding id.
        max_waiting: texts that may wait; callers that find as many are refused.
    """

    def __init__(self, runtime: Runtime, pad: int, max_waiting: int) -> None:
        self.runtime, self.pad, self.max_waiting = runtime, pad, max_waiting
        self._waiting: dict[Key, np.ndarray] = {}
        self._answers: dict[Key, Future[Any]] = {}
        """Of the texts that wait and of those being encoded: equal texts of several callers share one."""
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"polymart-encoder-{lane}", daemon=True)
            for lane in range(runtime.lanes)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> bool:
        """Whether a text waits or is being encoded."""
        return bool(self._answers)

    def submit(self, texts: Mapping[Key, np.ndarray]) -> dict[Key, Future[Any]]:
        """The coming result of each text, given by its key and its token ids.

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
            self._changed.notify(len(texts))
            return {key: self._answers[key] for key in texts}

    def close(self) -> None:
        """Encode what waits, then end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while texts := self._take():
            self._encode(texts)

    def _take(self) -> dict[Key, np.ndarray]:
        """The texts of the next pass; empty when the batcher was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return {key: self._waiting.pop(key) for key in next_pass(self._waiting, self.runtime.shape)}

    def _encode(self, texts: Mapping[Key, np.ndarray]) -> None:
        tokens, mask = padded(list(texts.values()), self.pad)
        PASSES.inc()
        TEXTS.inc(len(texts))
        try:
            vectors_UD = self.runtime.encode(tokens.numpy(), mask.numpy())
            results = _read(list(texts), vectors_UD)
        except Exception as error:  # whatever is raised belongs to the callers; its thread must go on
            for key in texts:
                self._answer(key).set_exception(error)
        else:
            for key, result in results.items():
                self._answer(key).set_result(result)

    def _answer(self, key: Key) -> Future[Any]:
        with self._changed:
            return self._answers.pop(key)


def _read(keys: Sequence[Key], vectors_UD: np.ndarray) -> dict[Key, Any]:
    """What each of ``keys`` asks to be made of its row of ``vectors_UD``."""
    results: dict[Key, Any] = {}
    for read in dict.fromkeys(read for _, read in keys):
        rows = [row for row, (_, asked) in enumerate(keys) if asked == read]
        results |= zip((keys[row] for row in rows), read(vectors_UD[rows]), strict=True)
    return results


def next_pass(waiting: Mapping[Name, np.ndarray], shape: PassShape) -> list[Name]:
    """The texts to encode now: the oldest, and those that wait and share its pass in the cheapest `passes`.

    No pass holds more tokens than ``shape`` says, padding included, so that whoever comes next waits for a short one;
    the oldest come first. One text alone may be longer.

    Args:
        waiting: token ids by any name, oldest first.
        shape: the runtime's.
    """
    tiles = {key: -(-len(ids) // TILE) for key, ids in waiting.items()}
    oldest = next(iter(tiles.values()), 0)
    cheapest = passes(Counter(tiles.values()), shape.overhead)
    shortest, longest = next((one for one in cheapest if oldest <= one[1]), (0, 0))
    room = max(1, shape.tokens // max(1, longest * TILE))
    return list(islice((key for key, length in tiles.items() if shortest <= length <= longest), room))


def passes(texts: Mapping[int, int], overhead: int) -> list[tuple[int, int]]:
    """The cheapest way to encode texts of several lengths.

    Args:
        texts: how many there are of each length in tiles.
        overhead: tokens of padding that cost as much as one more pass.

    Returns:
        Shortest and longest length of each pass, ascending.
    """
    lengths = sorted(texts)
    best: list[tuple[int, list[tuple[int, int]]]] = [(0, [])]
    """Least cost of the shortest lengths, and its passes: of none, of one, ..."""
    for end, longest in enumerate(lengths):
        ways = []
        for start in range(end + 1):
            cost, before = best[start]
            padding = sum(texts[length] * (longest - length) for length in lengths[start:end]) * TILE
            ways.append((cost + overhead + padding, [*before, (lengths[start], longest)]))
        best.append(min(ways))
    return best[-1][1]
