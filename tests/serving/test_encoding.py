"""The encoder as many threads use it: same vectors, each text once, bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polymart.model.predictor import Predictor
from serving.encoding import Vectors
from serving.encoding.batching import next_pass, passes
from serving.encoding.runtimes import TILE, PassShape, TorchRuntime
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
    key = (b"key", list)
    texts = {key: np.array([2, 4, 3])}
    first, second = vectors._batcher.submit(texts), vectors._batcher.submit(texts)
    assert first[key] is second[key]
    runtime.go.set()
    assert first[key].result(60).shape == (32,)


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


def test_a_vector_and_what_is_read_from_it_do_not_get_in_each_others_way(
    vectors: Vectors, runtime: CountingRuntime
) -> None:
    def lengths(vectors_UD: np.ndarray) -> list[float]:
        return np.linalg.norm(vectors_UD, axis=1).tolist()

    vector_UD = vectors.encode(["milk"], 8)
    found = vectors.read("milk", (8, 40), lengths)
    assert found == pytest.approx([float(vector_UD.norm())] * 2)
    assert vectors.read("milk", (8,), lengths) == found[:1]
    assert vectors.encode(["milk"], 8).equal(vector_UD)
    assert runtime.sizes == [1, 1], "one pass for the vector and one for what is read from it; then both are kept"


def test_what_is_read_from_a_mixed_batch_comes_from_the_right_rows(vectors: Vectors, runtime: CountingRuntime) -> None:
    def doubled(vectors_UD: np.ndarray) -> list[np.ndarray]:
        return list(2 * vectors_UD)

    runtime.go.clear()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(vectors.encode, ["tea"], 8)
        assert runtime.started.wait(60)
        plain = pool.submit(vectors.encode, ["refund"], 8)
        twice = [pool.submit(vectors.read, text, (8,), doubled) for text in ("card", "milk")]
        while len(vectors._batcher._waiting) < 3:
            pass
        runtime.go.set()
        first.result(60)
    assert runtime.sizes == [1, 3]
    expected = vectors.encode(["refund", "card", "milk"], 8)
    torch.testing.assert_close(plain.result(), expected[:1])
    torch.testing.assert_close(torch.tensor(np.array([one.result()[0] for one in twice])), 2 * expected[1:])


def test_lanes_encode_side_by_side_and_end_together(predictor: Predictor, runtime: CountingRuntime) -> None:
    runtime.lanes, runtime.shape = 3, PassShape(TILE, 1)  # one text a pass
    together = threading.Barrier(3, timeout=60)
    one_pass = runtime.encode

    def encode(tokens_UT: np.ndarray, mask_UT: np.ndarray) -> np.ndarray:
        together.wait()  # nobody passes before all three lanes came with a text of their own
        return one_pass(tokens_UT, mask_UT)

    runtime.encode = encode  # type: ignore[method-assign]
    vectors = Vectors(runtime, predictor.checkpoint.tokenizer)
    texts = ["milk", "bread is good", "tea " * 30]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda text: vectors.encode([text], 40), texts))
    for text, vector_UD in zip(texts, found, strict=True):
        torch.testing.assert_close(vector_UD[0], alone(predictor, vectors, text, 40), atol=1e-5, rtol=0)
    vectors.close()
    assert not any(thread.is_alive() for thread in vectors._batcher._threads)
    assert runtime.sizes == [1, 1, 1]


def test_the_cache_is_bounded(vectors: Vectors) -> None:
    for number in range(20):
        vectors.encode(["a" * (number + 1)], 40)
    assert len(vectors._cache) == 8


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=60), st.integers(16, 600), st.integers(1, 200))
def test_passes_take_the_oldest_and_hold_every_text_once(lengths: list[int], most_tokens: int, overhead: int) -> None:
    waiting = {(bytes([number]), list): np.zeros(length, np.int64) for number, length in enumerate(lengths)}
    seen = []
    while waiting:
        chosen = next_pass(waiting, PassShape(most_tokens, overhead))
        assert chosen[0] == next(iter(waiting))
        longest = max(-(-len(waiting[key]) // TILE) for key in chosen)
        assert len(chosen) == 1 or len(chosen) * longest * TILE <= most_tokens
        seen += chosen
        waiting = {key: ids for key, ids in waiting.items() if key not in chosen}
    assert len(seen) == len(set(seen)) == len(lengths)


def cost(texts: dict[int, int], ends: tuple[int, ...], overhead: int) -> int:
    """Of passes that end at these lengths, in tokens."""
    padding = sum(count * (min(end for end in ends if end >= length) - length) for length, count in texts.items())
    return len(ends) * overhead + padding * TILE


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.integers(1, 10), st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 200))
def test_no_other_passes_are_cheaper(texts: dict[int, int], overhead: int) -> None:
    found = passes(texts, overhead)
    assert [length for first, last in found for length in sorted(texts) if first <= length <= last] == sorted(texts)
    *others, longest = sorted(texts)
    every = [(*some, longest) for size in range(len(texts)) for some in combinations(others, size)]
    ends = tuple(last for _, last in found)
    assert cost(texts, ends, overhead) == min(cost(texts, others, overhead) for others in every)


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
    scorer.vectors[None].close()
    scorer = Scorer(predictor, OnlineFeatures(feature_store))  # nothing is cached
    for number in range(0, 80, 7):
        assert found[number] == pytest.approx(ask(number), abs=1e-5)
    scorer.vectors[None].close()
