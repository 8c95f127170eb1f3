"""Ranking metrics and resamples against implementations of other people, on random inputs with ties and weights."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score, recall_score
from test_metrics import PER_ROW, example

from polymart.evaluation.bootstrap import Bootstrap
from polymart.evaluation.calibration import CalibrationError
from polymart.evaluation.metrics import METRICS, RecallAt
from polymart.evaluation.retrieval import RETRIEVAL_METRICS

seeds = st.integers(0, 10**6)


@settings(max_examples=40)
@given(seeds, st.integers(1, 30), st.integers(1, 12))
def test_recall_agrees_with_scikit_learn(seed, size, k):
    numbers = np.random.default_rng(seed)
    label, scores = (numbers.random((size, 12)) < 0.2).astype(int), numbers.integers(0, 5, (size, 12)) / 4
    weights, some = numbers.random(size) + 0.1, label.any(1)
    if not some.any():
        return
    order = pd.DataFrame(scores).rank(axis=1, method="first", ascending=False)  # ties fall to the lower index
    expected = recall_score(label[some], (order <= k)[some].astype(int), average="samples", sample_weight=weights[some])
    found = RecallAt(k).values(label.astype(np.float32), scores, weights[None])[0]
    assert found == pytest.approx(expected, rel=1e-6)


@settings(max_examples=40)
@given(seeds, st.integers(1, 20), st.integers(2, 9))
def test_mrr_of_queries_with_one_exact_match_agrees_with_scikit_learn(seed, queries, size):
    """The ranking loss of one positive is 1 / rank, rows of equal score counted before it."""
    numbers = np.random.default_rng(seed)
    scores = numbers.integers(0, 4, (queries, size)) / 3
    grade = numbers.integers(0, 3, (queries, size))
    grade[np.arange(queries), numbers.integers(0, size, queries)] = 3
    label = np.stack([grade.ravel(), np.repeat(np.arange(queries), size)], 1).astype(float)
    expected = label_ranking_average_precision_score(grade == 3, scores)
    assert METRICS["mrr"].value(label, scores.reshape(-1, 1)) == pytest.approx(expected)


@settings(max_examples=40)
@given(seeds, st.integers(1, 20))
def test_metrics_of_ranked_items_agree_with_scikit_learn(seed, rows):
    numbers, items = np.random.default_rng(seed), 25
    ranked = np.stack([numbers.permutation(items) for _ in range(rows)])
    label = np.full((rows, 4), -1)
    for row in label:
        count = numbers.integers(1, 5)
        row[:count] = numbers.permutation(items)[:count]
    truth = np.zeros((rows, items))
    truth[np.repeat(np.arange(rows), (label >= 0).sum(1)), label[label >= 0]] = 1
    scores = np.zeros((rows, items))
    np.put_along_axis(scores, ranked, np.arange(items, 0, -1.0)[None], axis=1)
    weights = numbers.random(rows) + 0.1

    def found(name: str) -> float:
        return RETRIEVAL_METRICS[name].values(label, ranked, weights[None])[0]

    assert found("ndcg@10") == pytest.approx(ndcg_score(truth, scores, k=10, sample_weight=weights))
    top = (scores > items - 10).astype(int)
    assert found("recall@10") == pytest.approx(recall_score(truth, top, average="samples", sample_weight=weights))
    first = np.zeros_like(truth)
    first[np.arange(rows), np.where(truth > 0, scores, 0).argmax(1)] = 1
    expected = label_ranking_average_precision_score(first, scores, sample_weight=weights)
    assert found("mrr") == pytest.approx(expected)


def repeated(bootstrap: Bootstrap, rows: np.ndarray) -> list[np.ndarray]:
    """The chosen rows of each resample, a row as often as its cluster was drawn."""
    return [np.repeat(rows, counts_K[bootstrap.cluster_N[rows]]) for counts_K in bootstrap.counts_RK]


@pytest.mark.parametrize("name", PER_ROW)
@settings(max_examples=15)
@given(seed=seeds)
def test_a_resample_of_a_group_is_the_metric_of_its_rows(name, seed):
    label, scores = example(name, seed, 40)
    numbers = np.random.default_rng(seed)
    bootstrap = Bootstrap(pd.Series(numbers.integers(0, 9, 40)), resamples=3, confidence=0.9, seed=seed)
    rows = np.flatnonzero(numbers.random(40) < 0.7)
    found = bootstrap.measure(METRICS[name], label, scores, rows)
    assert found.value == pytest.approx(METRICS[name].value(label[rows], scores[rows]), nan_ok=True)
    expected = [
        METRICS[name].value(label[chosen], scores[chosen]) for chosen in repeated(bootstrap, rows) if len(chosen)
    ]
    if len(expected) == len(found.draws_R):
        np.testing.assert_allclose(found.draws_R, expected, rtol=1e-6)


@settings(max_examples=30)
@given(seeds, st.integers(1, 3))
def test_a_resample_of_the_calibration_error_keeps_the_bins(seed, width):
    numbers = np.random.default_rng(seed)
    probability = numbers.integers(0, 20, (60, width)) / 20
    true = (numbers.random((60, width)) < probability).astype(float)
    bootstrap = Bootstrap(pd.Series(numbers.integers(0, 12, 60)), resamples=3, confidence=0.9, seed=seed)
    error = CalibrationError(probability)
    found = bootstrap.measure(error, true, probability).draws_R
    expected = [error.value(true[rows], probability[rows]) for rows in repeated(bootstrap, np.arange(60))]
    np.testing.assert_allclose(found, expected, atol=1e-9)
