"""The encoder as many threads use it: same vectors, each text once, bounded."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polymart.model.predictor import Predictor
from serving.encoding import Vectors
from serving.encoding.batching import PASS, buckets
from serving.encoding.runtimes import TILE, TorchRuntime
from serving.features import OnlineFeatures
from serving.refusals import OverloadedError
from serving.scoring import Scorer

WORDS = ["milk", "refund", "card", "bread is good", "", "tea " * 60]


class CountingRuntime(TorchRuntime):
    """Counts passes and texts; holds each pass until it is let go."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__(predictor.model.encoder)
        self.sizes: list[int] = []
        self.go, self.started = threading.Event(), threading.Event()
        self.go.set()

    def encode(self, tokens_UT: np.ndarray, mask_UT: np.ndarray) -> np.ndarray:
        self.started.set()
        assert self.go.wait(60)
        self.sizes.append(len(tokens_UT))
        return super().encode(tokens_UT, mask_UT)


@pytest.fixture
def runtime(predictor: Predictor) -> CountingRuntime:
    return CountingRuntime(predictor)


@pytest.fixture
def vectors(predictor: Predictor, runtime: CountingRuntime) -> Iterator[Vectors]:
    vectors = Vectors(runtime, predictor.checkpoint.tokenizer, cached=8, max_waiting=3)
    yield vectors
    vectors.close()


def alone(predictor: Predictor, vectors: Vectors, text: str, max_tokens: int) -> torch.Tensor:
    ids = vectors.tokenizer_of(max_tokens).encode(text).ids
    with torch.inference_mode():
        return predictor.model.encoder(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64))[0]


def test_a_batch_gives_each_text_the_vector_it_has_alone(predictor: Predictor, vectors: Vectors) -> None:
    texts = [*WORDS, WORDS[0]]
    for max_tokens in (4, 40):
        found_UD = vectors.encode(texts, max_tokens)
        assert found_UD.dtype == torch.float32
        expected_UD = torch.stack([alone(predictor, vectors, text, max_tokens) for text in texts])
        torch.testing.assert_close(found_UD, expected_UD, atol=1e-5, rtol=0)


def test_a_text_is_encoded_once_also_under_another_limit(vectors: Vectors, runtime: CountingRuntime) -> None:
    vectors.encode(["milk", "milk", "MILK"], 8)
    vectors.encode(["milk"], 40)
    assert runtime.sizes == [1]


def test_what_waits_during_a_pass_becomes_the_next_batch(vectors: Vectors, runtime: CountingRuntime) -> None:
    runtime.go.clear()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(vectors.encode, ["milk"], 8)
        assert runtime.started.wait(60)
        others = [pool.submit(vectors.encode, [text], 8) for text in ("refund", "card")]
        while len(vectors._batcher._waiting) < 2:
            pass
        runtime.go.set()
        assert all(one.result(60).shape == (1, 32) for one in (first, *others))
    assert runtime.sizes == [1, 2]


def test_equal_texts_that_wait_share_one_answer(vectors: Vectors, runtime: CountingRuntime) -> None:
    runtime.go.clear()
    texts = {b"key": np.array([2, 4, 3])}
    first, second = vectors._batcher.submit(texts), vectors._batcher.submit(texts)
    assert first[b"key"] is second[b"key"]
    runtime.go.set()
    assert first[b"key"].result(60).shape == (32,)


def test_more_than_the_bound_is_refused_and_what_waits_is_answered(vectors: Vectors, runtime: CountingRuntime) -> None:
    runtime.go.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(vectors.encode, ["milk"], 8)
        assert runtime.started.wait(60)
        waiting = pool.submit(vectors.encode, ["a", "b", "c"], 8)
        while len(vectors._batcher._waiting) < 3:
            pass
        with pytest.raises(OverloadedError, match="3 texts wait for the encoder, at most 3 may"):
            vectors.encode(["d"], 8)
        runtime.go.set()
        assert waiting.result(60).shape == (3, 32)
        assert first.result(60).shape == (1, 32)


def test_a_failed_pass_reaches_its_callers_and_the_next_one_works(
    vectors: Vectors, runtime: CountingRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(runtime, "encoder", None)
        with pytest.raises(TypeError):
            vectors.encode(["milk"], 8)
    assert vectors.encode(["milk"], 8).shape == (1, 32)


def test_the_cache_is_bounded(vectors: Vectors) -> None:
    for number in range(20):
        vectors.encode(["a" * (number + 1)], 40)
    assert len(vectors._cache) == 8


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 200), max_size=40))
def test_buckets_hold_every_text_once_and_pad_little(lengths: list[int]) -> None:
    texts = {bytes([number]): np.zeros(length, np.int64) for number, length in enumerate(lengths)}
    found = list(buckets(texts))
    assert sorted(key for bucket in found for key in bucket) == sorted(texts)
    for bucket in found:
        tiles = Counter(-(-len(ids) // TILE) for ids in bucket.values())
        for size, count in tiles.items():
            assert count * (max(tiles) - size) * TILE <= PASS, "these texts deserve a pass of their own"


def test_many_threads_get_the_answers_of_one(predictor: Predictor, feature_store: Path) -> None:
    scorer = Scorer(predictor, OnlineFeatures(feature_store))

    def ask(number: int) -> list[float]:
        household, campaigns = {"household_id": 1 + number % 8}, (1, 2, 3)
        ads = scorer.rows("coupon_response", [{**household, "campaign_id": campaign} for campaign in campaigns])
        categories = scorer.scores("next_category", scorer.rows("next_category", [household]))
        mood = scorer.understand(f"the milk was sour {'again ' * (number % 5)}", 3)["sentiment"]["scores"]
        return [*scorer.scores("coupon_response", ads)[:, 0], *categories[0], *mood.values()]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, range(80)))
    scorer.vectors.close()
    scorer = Scorer(predictor, OnlineFeatures(feature_store))  # nothing is cached
    for number in range(0, 80, 7):
        assert found[number] == pytest.approx(ask(number), abs=1e-5)
    scorer.vectors.close()
