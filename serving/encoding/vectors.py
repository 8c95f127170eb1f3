"""Texts to vectors, or to what is read from them, from any thread, each distinct text once.

Shape suffixes: U texts, D hidden size.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from cachetools import LRUCache
from tokenizers import Tokenizer
from torch import Tensor

from polymart.model.batch import Batch
from polymart.model.texts import clean_text, fit_tokenizer, longest_text, padding_id, token_ids
from serving.encoding.batching import Batcher, Key, Read
from serving.encoding.runtimes import Runtime
from serving.refusals import OverloadedError

CACHED = 20_000
"""Vectors, or what was read from one, that are kept: some 2 kB each with what finds them, about 40 MB."""
MAX_WAITING = 512
TIMEOUT_S = 30.0


class Vectors:
    """The shared encoder as many threads use it.

    A cache entry is found by a digest of the text's token ids as they are read, and by what is read from its vector:
    texts that the tokenizer does not tell apart, and a short text under several limits, are encoded once. The cache
    belongs to this object and its one trunk, so the trunk's version needs no place in the key.

    Args:
        runtime: runs the forward passes.
        tokenizer: the checkpoint's.
        cached: entries kept, the least recently used dropped first.
        max_waiting: texts that may wait for the encoder.
    """

    def __init__(
        self, runtime: Runtime, tokenizer: Tokenizer, *, cached: int = CACHED, max_waiting: int = MAX_WAITING
    ) -> None:
        self.runtime = runtime
        self.tokenizer_of = cache(lambda max_tokens: fit_tokenizer(tokenizer, max_tokens))
        self._batcher = Batcher(runtime, padding_id(tokenizer), max_waiting)
        self._cache: LRUCache[Key, Any] = LRUCache(cached)
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether a caller's text waits or is being encoded."""
        return self._batcher.busy

    def encode(self, texts: Sequence[str], max_tokens: int) -> Tensor:
        """Vectors of ``texts`` cut to ``max_tokens``, float32 of shape (U, D), in the order given.

        Raises:
            OverloadedError: too many texts wait already, or the encoder takes too long.
        """
        return self.of_tokens(self._tokenised(texts, max_tokens))

    def read(self, text: str, max_tokens: Sequence[int], read: Read) -> list[Any]:
        """What ``read`` makes of the vectors of one text cut to each of ``max_tokens``; what is the same text after
        all is encoded once.

        Args:
            text: any.
            max_tokens: lengths, each at least one token.
            read: runs in a thread of the encoder, on the texts of many callers; the same object every time, since
                results are kept by it (a bound method of one object is the same).

        Raises:
            OverloadedError: too many texts wait already, or the encoder takes too long.
        """
        return self._coming([self._tokenised([text], length)[0] for length in max_tokens], read)()

    def of_batch(self, batch: Batch) -> Tensor | None:
        """Vectors of a batch's unique texts; None where its task reads no text.

        Raises:
            OverloadedError: too many texts wait already, or the encoder takes too long.
        """
        coming = self.coming(batch)
        return None if coming is None else coming()

    def coming(self, batch: Batch) -> Callable[[], Tensor] | None:
        """The same for a caller who has other work to do meanwhile: what waits for the vectors, raising as `of_batch`.

        Raises:
            OverloadedError: too many texts wait already.
        """
        if batch.tokens_UT is None or batch.mask_UT is None:
            return None
        lengths = batch.mask_UT.sum(1).tolist()
        texts = [ids[:length] for ids, length in zip(batch.tokens_UT.numpy(), lengths, strict=True)]
        results = self._coming(texts, list)
        return lambda: torch.from_numpy(np.stack(results()))

    def of_tokens(self, texts: Sequence[np.ndarray]) -> Tensor:
        """Vectors of texts given by their token ids without padding, shape (U, D).

        Raises:
            OverloadedError: too many texts wait already, or the encoder takes too long.
        """
        return torch.from_numpy(np.stack(self._coming(texts, list)()))

    def _coming(self, texts: Sequence[np.ndarray], read: Read) -> Callable[[], list[Any]]:
        keys: list[Key] = [(blake2b(ids.tobytes(), digest_size=16).digest(), read) for ids in texts]
        with self._lock:
            found = {key: self._cache[key] for key in keys if key in self._cache}
        fresh = {key: ids for key, ids in zip(keys, texts, strict=True) if key not in found}
        answers = self._batcher.submit(fresh) if fresh else {}

        def results() -> list[Any]:
            try:
                new = {key: answer.result(TIMEOUT_S) for key, answer in answers.items()}
            except TimeoutError as error:
                raise OverloadedError(
                    f"the encoder did not answer within {TIMEOUT_S:g} s", remedy="try again shortly"
                ) from error
            with self._lock:
                self._cache.update(new)
            return [found[key] if key in found else new[key] for key in keys]

        return results

    def _tokenised(self, texts: Sequence[str], max_tokens: int) -> list[np.ndarray]:
        tokenizer = self.tokenizer_of(max_tokens)
        return token_ids([clean_text(text, longest_text(tokenizer)) for text in texts], tokenizer)

    def close(self) -> None:
        """Encode what waits, then end the encoder's threads."""
        self._batcher.close()
