import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart.config import Suite, Task
from polymart.errors import SuiteError
from polymart.evaluation.bootstrap import compare
from polymart.evaluation.checks import check_suite
from polymart.evaluation.metrics import metric_of
from polymart.evaluation.retrieval import RETRIEVAL_METRICS, TOP, bm25, personal_frequency, popularity, retrieval_floor
from polymart.tasks import kind_of

TASK = Task.model_validate(
    {
        "name": "found",
        "kind": "retrieval",
        "source": "found",
        "items": "goods",
        "inputs": {"text": "text", "label_history": "h"},
        "metric": "recall@10",
        "floor": "bm25",
        "cluster": "c",
    }
)


def plain(name: str, positives: list[int], ranked: list[int]) -> float:
    """The metric of one row, from its textbook definition."""
    hits = [item in positives for item in ranked]
    if name == "mrr":
        return next((1 / (rank + 1) for rank, hit in enumerate(hits) if hit), 0.0)
    kind, k = name.split("@")
    first = hits[: int(k)]
    if kind == "ndcg":
        ideal = sum(1 / math.log2(rank + 2) for rank in range(min(len(positives), int(k))))
        return sum(hit / math.log2(rank + 2) for rank, hit in enumerate(first)) / ideal
    return float(any(first)) if kind == "hit" else sum(first) / len(positives)


rows = st.lists(
    st.tuples(st.sets(st.integers(0, 29), max_size=15), st.permutations(range(30))), min_size=1, max_size=6
).filter(lambda drawn: any(positives for positives, _ in drawn))


@pytest.mark.parametrize("name", RETRIEVAL_METRICS)
@given(drawn=rows, k=st.integers(1, 30))
def test_a_metric_is_the_mean_of_its_definition_over_rows_with_positives(name, drawn, k):
    label = kind_of("retrieval").encode_labels(pd.Series([sorted(p) for p, _ in drawn]), None, "t")
    ranked_NK = np.array([ranked[:k] for _, ranked in drawn])
    expected = np.mean([plain(name, sorted(p), ranked[:k]) for p, ranked in drawn if p])
    assert metric_of(name, "retrieval").value(label, ranked_NK) == pytest.approx(expected)


def test_no_positive_anywhere_is_undefined():
    assert math.isnan(metric_of("mrr", "retrieval").value(np.full((2, 1), -1), np.zeros((2, 3), int)))


def test_the_bootstrap_compares_ranked_lists():
    generator = np.random.default_rng(0)
    label = generator.integers(0, 50, (200, 1))
    right = np.concatenate([label, (label + np.arange(1, 20)) % 50], 1)
    wrong = np.stack([generator.permutation(50)[:20] for _ in label])
    settings = {"resamples": 200, "confidence": 0.95, "seed": 0}
    found = compare(RETRIEVAL_METRICS["recall@10"], label, right, wrong, pd.Series(np.arange(200) // 2), **settings)
    assert found.model.value == 1.0
    assert found.reference.low < 0.2 < found.reference.high < 0.35
    assert found.lower_bound > 0.6


def table(labels: list[list[int]], ids: list | None = None, count: list | None = None) -> pd.DataFrame:
    num = len(labels)
    ids, count = ids or [[]] * num, count or [[]] * num
    return pd.DataFrame({"label": labels, "h_ids": ids, "h_count": count, "text": "milk"})


def goods(num: int) -> pd.DataFrame:
    return pd.DataFrame({"item_id": range(num), "text": [f"thing {i}" for i in range(num)]})


def test_popularity_ranks_by_training_labels_and_ties_by_position():
    train = table([[3], [3, 1], [3, 1, 0], [4]])
    assert popularity(TASK, train, train.head(2), goods(6)).tolist() == [[3, 1, 0, 4, 2, 5]] * 2
    assert popularity(TASK, train, train, goods(500)).shape == (4, TOP)


def test_personal_frequency_ranks_what_was_met_first():
    train = table([[3], [3, 1], [3, 1, 0], [4]])
    test = table([[0]] * 3, [[2, 4, 5], None, np.array([1])], [[1, 7, 1], None, np.array([2.0])])
    found = personal_frequency(TASK, train, test, goods(6)).tolist()
    # 2 and 5 are met as often and equally popular; then the most popular of the rest.
    assert found == [[4, 2, 5, 3, 1, 0], [3, 1, 0, 4, 2, 5], [1, 3, 0, 4, 2, 5]]


@given(st.integers(0, 1000), st.integers(2, 300))
def test_every_floor_ranks_distinct_items_of_the_catalogue(seed, num_items):
    generator = np.random.default_rng(seed)
    ids = [np.sort(generator.permutation(num_items)[: generator.integers(0, 101)]) for _ in range(4)]
    frame = table([[0]] * 4, ids, [generator.integers(1, 5, len(i)) for i in ids])
    for floor in (popularity, personal_frequency, bm25):
        ranked = floor(TASK, frame, frame, goods(num_items))
        assert ranked.shape == (4, min(TOP, num_items))
        assert all(len(set(row)) == len(row) and set(row) <= set(range(num_items)) for row in ranked.tolist())


def test_bm25_finds_the_text_with_the_rare_words_and_survives_queries_without_any():
    items = pd.DataFrame(
        {"item_id": list("abcd"), "text": ["the card was lost", "card fees", "card limits", "opening an account"]}
    )
    test = pd.DataFrame({"text": ["I lost my card", "account", "", None, "zzz", "the"]})
    found = bm25(TASK, test, test, items)
    assert found[:2, 0].tolist() == [0, 3]
    assert found.shape == (6, 4)


def test_bm25_survives_a_catalogue_without_a_word_that_counts():
    items, test = pd.DataFrame({"item_id": list("ab"), "text": ["the", "a"]}), pd.DataFrame({"text": ["milk", None]})
    assert bm25(TASK, test, test, items).tolist() == [[0, 1], [0, 1]]


def test_an_unknown_floor_is_answered_with_the_known_ones():
    with pytest.raises(SuiteError, match=r"(?s)'majority' is unknown for kind 'retrieval'.*popularity"):
        retrieval_floor("majority")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": None}, "kind 'retrieval' and no other needs items; found kind 'retrieval' and items None"),
        ({"kind": "multilabel", "floor": "majority"}, "found kind 'multilabel' and items 'goods'"),
        ({"inputs": {"label_history": "h"}}, r"compares inputs.text .* found \['label_history'\]"),
        ({"inputs": {"text": "text", "text_pair": "other"}}, r"found \['text', 'text_pair'\]"),
        ({"inputs": {"text": "text"}, "floor": "personal_frequency"}, "needs inputs.label_history"),
        ({"metric": "macro_f1"}, "'macro_f1' does not fit a task of kind 'retrieval'"),
        ({"floor": "majority"}, "'majority' is unknown for kind 'retrieval'"),
    ],
)
def test_a_suite_that_no_catalogue_can_serve_is_refused(change, message):
    good = TASK.model_dump(exclude_defaults=True)
    check_suite(Suite.model_validate({"name": "goods", "tasks": [good]}))
    with pytest.raises(SuiteError, match=message):
        check_suite(Suite.model_validate({"name": "goods", "tasks": [{**good, **change}]}))
