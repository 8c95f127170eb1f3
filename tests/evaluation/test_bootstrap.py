import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from test_metrics import PER_ROW, example

from polymart.evaluation.bootstrap import CHUNK, compare, resample_counts, resampled
from polymart.evaluation.metrics import METRICS, Metric

SETTINGS = {"resamples": 400, "confidence": 0.95, "seed": 1}


def accuracy_rows(hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of two classes that are right exactly where ``hits`` is true."""
    label = np.zeros(len(hits), int)
    return label, np.where(hits[:, None], [1.0, 0.0], [0.0, 1.0])


@pytest.mark.parametrize("name", METRICS)
def test_a_model_against_itself_differs_by_nothing(name):
    label, scores = example(name, 3, 80)
    found = compare(METRICS[name], label, scores, scores.copy(), pd.Series(np.arange(80) // 2), **SETTINGS)
    assert (found.difference.value, found.difference.low, found.difference.high, found.lower_bound) == (0, 0, 0, 0)
    assert found.model == found.reference
    assert found.model.low < found.model.value < found.model.high
    assert found.num_clusters == 40


@pytest.mark.parametrize("name", METRICS)
def test_the_difference_is_oriented_and_mirrors_when_the_arms_are_swapped(name):
    label, scores = example(name, 3, 80)
    _, other = example(name, 4, 80)
    cluster = pd.Series(np.arange(80) // 2).astype(str)
    there = compare(METRICS[name], label, scores, other, cluster, **SETTINGS)
    back = compare(METRICS[name], label, other, scores, cluster, **SETTINGS)
    sign = 1 if METRICS[name].greater_is_better else -1
    assert there.difference.value == pytest.approx(sign * (there.model.value - there.reference.value))
    assert there.difference.low == pytest.approx(-back.difference.high)
    assert there.model == back.reference
    assert there.difference.low <= there.lower_bound <= there.difference.high


def test_the_interval_of_a_mean_matches_the_analytic_one():
    numbers = np.random.default_rng(0)
    num, sigma = 900, 0.4
    label, scores = accuracy_rows(numbers.random(num) < 0.8)
    found = compare(
        METRICS["accuracy"], label, scores, scores, pd.Series(range(num)), resamples=4000, confidence=0.9, seed=2
    )
    half = norm.ppf(0.95) * sigma / np.sqrt(num)
    assert found.model.low == pytest.approx(found.model.value - half, abs=0.15 * half)
    assert found.model.high == pytest.approx(found.model.value + half, abs=0.15 * half)


def test_the_lower_bound_is_one_sided_at_the_same_confidence():
    numbers = np.random.default_rng(0)
    label, scores = accuracy_rows(numbers.random(900) < 0.8)
    _, other = accuracy_rows(numbers.random(900) < 0.8)
    found = compare(
        METRICS["accuracy"], label, scores, other, pd.Series(range(900)), resamples=4000, confidence=0.95, seed=2
    )
    deviation = np.sqrt(2) * 0.4 / np.sqrt(900)
    assert found.lower_bound == pytest.approx(found.difference.value - norm.ppf(0.95) * deviation, abs=0.15 * deviation)


def test_homogeneous_clusters_widen_the_interval():
    hits = np.repeat(np.random.default_rng(0).random(60) < 0.7, 10)  # all rows of a cluster are alike
    label, scores = accuracy_rows(hits)
    by_row, by_cluster = (
        compare(METRICS["accuracy"], label, scores, scores, pd.Series(c), resamples=2000, confidence=0.95, seed=0).model
        for c in (np.arange(600), np.arange(600) // 10)
    )
    ratio = (by_cluster.high - by_cluster.low) / (by_row.high - by_row.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    numbers, covered = np.random.default_rng(5), 0
    for seed in range(200):
        label, scores = accuracy_rows(numbers.random(200) < 0.7)
        found = compare(
            METRICS["accuracy"], label, scores, scores, pd.Series(range(200)), resamples=300, confidence=0.9, seed=seed
        )
        covered += found.model.low <= 0.7 <= found.model.high
    assert 0.84 <= covered / 200 <= 0.96


@pytest.mark.parametrize("name", PER_ROW)
@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_a_resample_is_the_metric_of_the_drawn_clusters(name, seed):
    label, scores = example(name, seed, 30)
    cluster = np.random.default_rng(seed).permutation(30) // 3
    counts_RK = resample_counts(10, 3, seed)
    found = resampled(METRICS[name], label, scores, cluster, counts_RK)
    for value, counts in zip(found, counts_RK, strict=True):
        rows = np.repeat(np.arange(30), counts[cluster])
        np.testing.assert_allclose(value, METRICS[name].value(label[rows], scores[rows]), rtol=1e-6)


def test_counts_draw_every_cluster_alike_and_repeat_with_the_seed():
    counts_RK = resample_counts(20, 3000, seed=1)
    assert (counts_RK.sum(1) == 20).all()
    assert counts_RK.mean(0) == pytest.approx(np.ones(20), abs=0.1)
    assert counts_RK.var(0).mean() == pytest.approx(0.95, rel=0.05)
    np.testing.assert_array_equal(counts_RK, resample_counts(20, 3000, seed=1))
    assert (counts_RK != resample_counts(20, 3000, seed=2)).any()


def test_chunks_of_resamples_change_nothing():
    class Weighted(Metric):
        def values(self, label, scores_NO, weights_RN):
            assert len(weights_RN) <= CHUNK
            return weights_RN @ scores_NO[:, 0]

    scores = np.arange(12.0)[:, None]
    counts_RK = resample_counts(12, 2 * CHUNK + 7, 0)
    found = resampled(Weighted(), np.zeros(12), scores, np.arange(12), counts_RK)
    np.testing.assert_allclose(found, counts_RK @ scores[:, 0])


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_one_class_alone_gives_no_number_instead_of_a_wrong_one():
    scores = np.linspace(0, 1, 20)[:, None]
    found = compare(METRICS["roc_auc"], np.ones(20), scores, scores, pd.Series(range(20)), **SETTINGS)
    assert np.isnan([found.model.value, found.difference.low, found.lower_bound]).all()
