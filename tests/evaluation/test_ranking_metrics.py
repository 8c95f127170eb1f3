"""NDCG and MRR within queries, and the floors of ranking tasks."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from fixtures.tiny_suite import tiny_suite
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from polymart.config import Inputs
from polymart.errors import SuiteError
from polymart.evaluation.bootstrap import compare, resample_counts, resampled
from polymart.evaluation.metrics import METRICS
from polymart.evaluation.ranking import Ndcg, bm25, random_order
from polymart.tasks.ranking import Ranking

TASK = (
    tiny_suite("reply")
    .tasks[0]
    .model_copy(
        update={
            "kind": "ranking",
            "group": "query",
            "cluster": "query",
            "inputs": Inputs(text="query", text_pair="product"),
        }
    )
)
queries = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=2, max_size=14), min_size=1, max_size=6
)


def rows_of(found: list[list[tuple[int, int]]]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of queries that are lists of (grade, score)."""
    label = np.array([(grade, query) for query, rows in enumerate(found) for grade, _ in rows], float)
    return label, np.array([[score] for rows in found for _, score in rows], float)


@given(queries, st.integers(1, 12))
def test_ndcg_agrees_with_scikit_learn_ties_included(found, k):
    kept = [rows for rows in found if any(grade for grade, _ in rows)]
    value = Ndcg(k).value(*rows_of(found))
    if not kept:
        assert np.isnan(value)
        return
    expected = [ndcg_score([[2**g - 1 for g, _ in rows]], [[s for _, s in rows]], k=k) for rows in kept]
    assert value == pytest.approx(np.mean(expected))


@given(queries)
def test_mrr_is_one_over_the_last_place_that_the_first_exact_match_may_have(found):
    ranks = [
        min(1 + sum(other >= score for g, other in rows if g < 3) for grade, score in rows if grade == 3)
        for rows in found
        if any(grade == 3 for grade, _ in rows)
    ]
    value = METRICS["mrr"].value(*rows_of(found))
    assert np.isnan(value) if not ranks else value == pytest.approx(np.mean(1 / np.array(ranks)))


@pytest.mark.parametrize("name", ["ndcg@10", "mrr"])
@settings(max_examples=30)
@given(found=queries, seed=st.integers(0, 1000))
def test_a_resample_of_clusters_is_the_metric_of_their_queries(name, found, seed):
    label, scores = rows_of(found)
    order = np.random.default_rng(seed).permutation(len(label))  # the file keeps no query together
    label, scores = label[order], scores[order]
    cluster = (label[:, 1] // 2).astype(int)  # two queries a household
    counts_RK = resample_counts(cluster.max() + 1, 3, seed)
    for value, counts in zip(resampled(METRICS[name], label, scores, cluster, counts_RK), counts_RK, strict=True):
        parts, drawn = [], 0
        for household, times in enumerate(counts):
            for _ in range(times):  # each draw of a household brings queries of its own
                mine = cluster == household
                parts.append((label[mine] + [0, 100 * drawn], scores[mine]))
                drawn += 1
        expected = METRICS[name].value(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_a_constant_score_is_worth_as_much_as_random_order_on_average():
    label, scores = rows_of([[(3, 0), (0, 0), (1, 0), (2, 0)]])
    every_order = [Ndcg(3).value(label, np.array(order)[:, None]) for order in permutations(range(4))]
    assert Ndcg(3).value(label, scores) == pytest.approx(np.mean(every_order))


def frame(**columns: list) -> pd.DataFrame:
    return pd.DataFrame({"query": ["red milk", "red milk", "tea", "tea"], "label": [3, 0, 2, 0], **columns})


def test_bm25_prefers_products_with_the_words_of_the_query():
    test = frame(product=["milk, red top", "green tea", "green tea", "red wine"])
    scores = bm25(TASK, test, test, None)
    assert scores.shape == (4, 1)
    assert scores[0] > scores[1]
    assert scores[2] > scores[3]
    assert scores[1] == 0


@pytest.mark.parametrize("texts", [["", "", "", ""], [None, "the", None, "a"]])
def test_bm25_of_texts_without_words_says_nothing(texts):
    assert not bm25(TASK, frame(product=texts), frame(product=texts), None).any()


def test_random_order_is_the_same_each_time_and_has_no_ties():
    first = random_order(TASK, frame(), frame(), None)
    assert len(np.unique(first)) == 4
    np.testing.assert_array_equal(first, random_order(TASK, frame(), frame(), None))


def test_a_query_in_two_clusters_is_refused():
    task = TASK.model_copy(update={"cluster": "household"})
    kind = Ranking()
    assert kind.metric_label(frame(household=[1, 1, 2, 2]), task, None).tolist() == [[3, 0], [0, 0], [2, 1], [0, 1]]
    with pytest.raises(SuiteError, match=r"'reply': 1 queries lie in several clusters 'household'"):
        kind.metric_label(frame(household=[1, 1, 2, 3]), task, None)


def test_the_bootstrap_sees_as_many_clusters_as_queries():
    label, scores = rows_of([[(3, 2), (0, 1)]] * 5 + [[(3, 0), (0, 1)]] * 5)
    found = compare(
        METRICS["ndcg@10"],
        label,
        scores,
        -scores,
        pd.Series(label[:, 1]),
        resamples=500,
        confidence=0.9,
        seed=0,
    )
    half = 1.645 * (1 - 1 / np.log2(3)) / 2 / np.sqrt(10)
    assert found.num_clusters == 10
    assert (found.model.high - found.model.low) / 2 == pytest.approx(half, rel=0.2)
