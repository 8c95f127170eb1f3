import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    mean_absolute_error,
    roc_auc_score,
    root_mean_squared_error,
)

from polymart.errors import SuiteError
from polymart.evaluation.metrics import METRICS, METRICS_OF_KIND, RecallAt, metric_of

PER_QUERY = ("ndcg@10", "mrr")
"""Metrics whose weights belong to whole queries; see test_ranking_metrics."""
PER_ROW = [name for name in METRICS if name not in PER_QUERY]
seeds = st.integers(0, 10**6)
sizes = st.integers(1, 40)


def example(name: str, seed: int, size: int, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores that suit a metric; few distinct scores make ties."""
    numbers = np.random.default_rng(seed)
    one = ("roc_auc", "average_precision", "mae", "rmse", "pearson", *PER_QUERY)
    width = {"wape": 2, "accuracy": 7, "macro_f1": 7, **dict.fromkeys(one, 1)}.get(name, 30)
    scores = numbers.integers(0, 5, (size, width)) / 4 if ties else numbers.random((size, width))
    if name.startswith("recall"):
        return (numbers.random((size, width)) < 0.1).astype(np.float32), scores
    if name in ("roc_auc", "average_precision"):
        return numbers.integers(0, 2, size).astype(np.float32), scores
    if name in ("mae", "rmse", "pearson"):
        return numbers.normal(40.0, 5.0, size).astype(np.float32), scores * 10
    if name in PER_QUERY:
        return np.stack([numbers.integers(0, 4, size), np.arange(size) // 4], 1).astype(np.float32), scores
    if name == "wape":
        return numbers.poisson(3, size).astype(np.float32), scores * 10
    return numbers.integers(0, width, size), scores


def weighted(name: str, label: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> float:
    return float(METRICS[name].values(label, scores, weights[None].astype(float))[0])


@given(seeds, sizes, st.booleans())
def test_roc_auc_agrees_with_scikit_learn(seed, size, ties):
    label, scores = example("roc_auc", seed, size, ties)
    weights = np.random.default_rng(seed + 1).random(size) + 0.1
    if len(set(label)) < 2:
        assert np.isnan(METRICS["roc_auc"].value(label, scores))
        return
    assert METRICS["roc_auc"].value(label, scores) == pytest.approx(roc_auc_score(label, scores[:, 0]))
    expected = roc_auc_score(label, scores[:, 0], sample_weight=weights)
    assert weighted("roc_auc", label, scores, weights) == pytest.approx(expected)


@given(seeds, sizes, st.booleans())
def test_accuracy_and_macro_f1_agree_with_scikit_learn(seed, size, ties):
    label, scores = example("accuracy", seed, size, ties)
    guess, weights = scores.argmax(1), np.random.default_rng(seed + 1).random(size) + 0.1
    assert METRICS["accuracy"].value(label, scores) == pytest.approx(accuracy_score(label, guess))
    assert METRICS["macro_f1"].value(label, scores) == pytest.approx(f1_score(label, guess, average="macro"))
    assert weighted("accuracy", label, scores, weights) == pytest.approx(
        accuracy_score(label, guess, sample_weight=weights)
    )
    expected = f1_score(label, guess, average="macro", sample_weight=weights)
    assert weighted("macro_f1", label, scores, weights) == pytest.approx(expected)


@given(seeds, sizes, st.integers(1, 35))
def test_recall_agrees_with_counting(seed, size, k):
    label, scores = example("recall@5", seed, size)
    recalls = []
    for truth, row in zip(label, scores, strict=True):
        top = sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]
        if truth.sum():
            recalls.append(sum(truth[i] for i in top) / truth.sum())
    found = RecallAt(k).value(label, scores)
    assert np.isnan(found) if not recalls else found == pytest.approx(np.mean(recalls), rel=1e-6)


@given(seeds, sizes, st.booleans())
def test_average_precision_agrees_with_scikit_learn(seed, size, ties):
    label, scores = example("average_precision", seed, size, ties)
    weights = np.random.default_rng(seed + 1).random(size) + 0.1
    if not label.any():
        assert np.isnan(METRICS["average_precision"].value(label, scores))
        return
    found = METRICS["average_precision"].value(label, scores)
    assert found == pytest.approx(average_precision_score(label, scores[:, 0]))
    expected = average_precision_score(label, scores[:, 0], sample_weight=weights)
    assert weighted("average_precision", label, scores, weights) == pytest.approx(expected)


@given(seeds, sizes)
def test_metrics_of_tags_agree_with_scikit_learn(seed, size):
    numbers = np.random.default_rng(seed)
    label, scores = numbers.integers(0, 2, (size, 5)).astype(np.float32), numbers.integers(0, 5, (size, 5)) / 4
    weights = numbers.random(size) + 0.1
    guess, shown = scores >= 0.5, label.any(0)
    if (shown | guess.any(0)).any():
        expected = f1_score(label, guess, average="macro", sample_weight=weights, zero_division=np.nan)
        assert weighted("macro_f1", label, scores, weights) == pytest.approx(expected)
    if shown.any():
        expected = average_precision_score(label[:, shown], scores[:, shown], average="macro", sample_weight=weights)
        assert weighted("average_precision", label, scores, weights) == pytest.approx(expected)


@given(seeds, sizes, st.booleans())
def test_metrics_of_numbers_agree_with_scikit_learn_and_numpy(seed, size, ties):
    label, scores = example("mae", seed, size, ties)
    weights = np.random.default_rng(seed + 1).random(size) + 0.1
    for name, reference in (("mae", mean_absolute_error), ("rmse", root_mean_squared_error)):
        expected = reference(label, scores[:, 0], sample_weight=weights)
        assert weighted(name, label, scores, weights) == pytest.approx(expected, rel=1e-5)
    if size > 1 and len(set(scores[:, 0])) > 1:
        covariance = np.cov(label, scores[:, 0], aweights=weights)
        expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        assert weighted("pearson", label, scores, weights) == pytest.approx(expected, abs=1e-6)


def test_a_constant_correlates_with_nothing():
    label, constant = np.arange(9.0), np.full((9, 1), 0.1)
    assert METRICS["pearson"].value(label, constant) == 0
    assert np.isnan(METRICS["pearson"].value(constant[:, 0], label[:, None]))
    assert METRICS["pearson"].value(label + 1e7, label[:, None] * 1e-7) == pytest.approx(1)


@given(seeds, sizes)
def test_wape_agrees_with_its_definition(seed, size):
    label, scores = example("wape", seed, size)
    found = METRICS["wape"].value(label, scores)
    if label.sum() == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(sum(abs(y - s[0]) for y, s in zip(label, scores, strict=True)) / label.sum())


@pytest.mark.parametrize("name", PER_ROW)
@given(seed=seeds, size=sizes)
def test_whole_weights_are_repeated_rows(name, seed, size):
    label, scores = example(name, seed, size)
    repeats = np.random.default_rng(seed + 1).integers(0, 4, size)
    repeats[0] += 1
    by_weight = weighted(name, label, scores, repeats)
    by_rows = METRICS[name].value(np.repeat(label, repeats, 0), np.repeat(scores, repeats, 0))
    np.testing.assert_allclose(by_weight, by_rows, rtol=1e-6)


@pytest.mark.parametrize("name", METRICS)
@given(seed=seeds, size=sizes)
def test_the_order_of_rows_does_not_matter(name, seed, size):
    label, scores = example(name, seed, size)
    order = np.random.default_rng(seed + 1).permutation(size)
    np.testing.assert_allclose(
        METRICS[name].value(label[order], scores[order]), METRICS[name].value(label, scores), rtol=1e-6
    )


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_model_reaches_the_best_value(name):
    label, scores = example(name, 0, 30)
    if name.startswith("recall"):
        keep = (label.sum(1) > 0) & (label.sum(1) <= 5)
        label, perfect = label[keep], label[keep]
    elif name in ("accuracy", "macro_f1"):
        perfect = np.eye(7)[label]
    else:
        perfect = label.reshape(len(label), -1)[:, :1]
    metric = METRICS[name]
    assert metric.value(label, perfect) == pytest.approx(1.0 if metric.greater_is_better else 0.0)
    value = metric.value(label, scores[: len(label)])
    assert value < 1 if metric.greater_is_better else value > 0


def test_every_metric_belongs_to_a_kind_and_a_foreign_one_is_refused():
    used = {name for kind, names in METRICS_OF_KIND.items() if kind != "retrieval" for name in names}
    assert used == set(METRICS)
    assert metric_of("wape", "count") is METRICS["wape"]
    for name, kind in (("wape", "binary"), ("gini", "binary"), ("roc_auc", "regression")):
        with pytest.raises(SuiteError, match=rf"metric '{name}' does not fit a task of kind '{kind}'"):
            metric_of(name, kind)
