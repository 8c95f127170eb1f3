import numpy as np
import pandas as pd
import pytest

from polymart.errors import GateError
from polymart.evaluation.metrics import METRICS
from polymart.evaluation.paired import compare_arms, margin_of

ROWS, CLASSES, SEEDS = 1200, 4, 6


def made(skill: float, seeds: int = SEEDS, first: int = 0) -> tuple[np.ndarray, list[np.ndarray], pd.Series]:
    """Labels, one score table per seed whose accuracy is about ``skill``, clusters of four rows."""
    label = np.random.default_rng(99).integers(0, CLASSES, ROWS)
    runs = []
    for seed in range(first, first + seeds):
        numbers = np.random.default_rng(seed)
        right = numbers.random(ROWS) < skill
        guess = np.where(right, label, (label + numbers.integers(1, CLASSES, ROWS)) % CLASSES)
        runs.append(np.eye(CLASSES)[guess])
    return label, runs, pd.Series(np.arange(ROWS) // 4)


def compared(ours: float, theirs: float, **options):
    label, candidate, cluster = made(ours)
    _, reference, _ = made(theirs, first=100)
    return compare_arms("accuracy", METRICS["accuracy"], label, candidate, reference, cluster, **options)


def test_the_same_model_twice_has_no_difference_at_all():
    label, runs, cluster = made(0.8)
    found = compare_arms("accuracy", METRICS["accuracy"], label, runs, runs, cluster)
    assert (found.difference.value, found.difference.low, found.difference.high, found.lower_bound) == (0, 0, 0, 0)
    assert found.outcome == "pass"


def test_a_better_candidate_passes_a_worse_one_fails_and_a_close_one_stays_open():
    assert compared(0.85, 0.80).outcome == "pass"
    assert compared(0.70, 0.80).outcome == "fail"
    assert compared(0.79, 0.80).outcome == "inconclusive"


def test_shuffled_labels_of_the_candidate_fail():
    label, runs, cluster = made(0.8)
    shuffled = [np.random.default_rng(seed).permutation(run) for seed, run in enumerate(runs)]
    assert compare_arms("accuracy", METRICS["accuracy"], label, shuffled, runs, cluster).outcome == "fail"


def test_an_error_metric_is_turned_so_that_positive_is_better():
    units = np.random.default_rng(0).gamma(3.0, 4.0, ROWS)
    cluster = pd.Series(np.arange(ROWS) // 10)
    close = [np.stack([units + shift, units], 1) for shift in (0.5, 0.6)]
    far = [np.stack([units + shift, units], 1) for shift in (2.0, 2.1)]
    assert compare_arms("wape", METRICS["wape"], units, close, far, cluster).difference.low > 0
    assert compare_arms("wape", METRICS["wape"], units, far, close, cluster).outcome == "fail"


def test_intervals_cover_the_true_difference_as_often_as_they_say():
    covered = []
    for trial in range(60):
        numbers = np.random.default_rng(trial)
        # a real effect of +0.05 with noise of both kinds: between seeds and between clusters
        cluster = np.repeat(np.arange(60), 5)
        label = np.zeros(300, int)
        ours, theirs = [], []
        hard_K = numbers.normal(0, 0.1, 60)
        for _ in range(SEEDS):
            skill = 0.75 + hard_K[cluster] + numbers.normal(0, 0.02)
            for runs, bonus in ((ours, 0.05), (theirs, 0.0)):
                runs.append(np.eye(2)[(numbers.random(300) > skill + bonus).astype(int)])
        found = compare_arms(
            "accuracy", METRICS["accuracy"], label, ours, theirs, pd.Series(cluster), resamples=300, seed=trial
        )
        covered.append(found.difference.low <= 0.05 <= found.difference.high)
    assert np.mean(covered) >= 0.85  # 95 % nominal; six seeds are few, and sixty trials are noisy


def test_resampling_seeds_widens_the_interval_where_seeds_differ():
    label, runs, cluster = made(0.8)
    spread = [made(skill, 1, seed)[1][0] for seed, skill in enumerate((0.6, 0.7, 0.8, 0.85, 0.9, 0.95))]
    alike = compare_arms("accuracy", METRICS["accuracy"], label, runs, runs[::-1], cluster)
    unlike = compare_arms("accuracy", METRICS["accuracy"], label, spread, runs, cluster)
    assert unlike.difference.high - unlike.difference.low > 2 * (alike.difference.high - alike.difference.low)


def test_the_margin_is_the_metrics_own_but_never_below_the_noise_between_seeds():
    assert margin_of("accuracy", np.array([0.8, 0.8])) == 0.005
    assert margin_of("recall@10", np.array([0.3, 0.3])) == 0.005
    assert margin_of("wape", np.array([0.55, 0.55])) == pytest.approx(0.0055)
    assert margin_of("roc_auc", np.array([0.80, 0.84])) == pytest.approx(np.std([0.80, 0.84], ddof=1))


def test_arms_of_other_seeds_are_refused():
    label, runs, cluster = made(0.8, seeds=2)
    with pytest.raises(GateError, match="found 2 of the candidate and 1 of the reference"):
        compare_arms("accuracy", METRICS["accuracy"], label, runs, runs[:1], cluster)
