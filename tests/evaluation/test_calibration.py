import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, softmax

from polymart.evaluation.bootstrap import Bootstrap
from polymart.evaluation.calibration import NUM_BINS, CalibrationError, calibration_of


def bootstrap(num_rows: int) -> Bootstrap:
    return Bootstrap(pd.Series(range(num_rows)), resamples=200, confidence=0.95, seed=0)


def error_of(true, probability) -> float:
    true, probability = (np.asarray(values, float).reshape(len(values), -1) for values in (true, probability))
    return CalibrationError(probability).value(true, probability)


def test_known_answers():
    assert error_of([1, 0], [1.0, 0.0]) == 0
    assert error_of([0, 1], [1.0, 0.0]) == 1
    assert error_of([1, 0, 0, 0], [0.25] * 4) == 0
    assert error_of([1, 1, 1, 0], [0.5] * 4) == pytest.approx(0.25)
    assert error_of([1, 0], [0.9, 0.2]) == pytest.approx((0.1 + 0.2) / 2)  # two rows, two bins


@given(st.integers(0, 10**6), st.integers(1, 400), st.booleans())
def test_the_error_agrees_with_the_formula(seed, size, ties):
    numbers = np.random.default_rng(seed)
    probability = numbers.integers(0, 8, size) / 8 if ties else numbers.random(size)
    true = (numbers.random(size) < probability**2).astype(float)
    borders = np.unique(np.sort(probability)[np.ceil(np.arange(1, NUM_BINS) * size / NUM_BINS).astype(int) - 1])
    table = pd.DataFrame({"p": probability, "y": true, "bin": [(borders < p).sum() for p in probability]})
    groups = table.groupby("bin")
    expected = (groups.size() / size * (groups.y.mean() - groups.p.mean()).abs()).sum()
    assert error_of(true, probability) == pytest.approx(expected, abs=1e-9)


@given(arrays(np.float64, st.tuples(st.integers(15, 300), st.just(1)), elements=st.floats(0, 1), unique=True))
def test_bins_hold_equally_many_distinct_predictions(probability):
    sizes = np.bincount(CalibrationError(probability).bin_of(probability).ravel(), minlength=NUM_BINS)
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "tagging"])
def test_the_error_before_scaling_is_that_of_the_raw_outputs(kind, temperature):
    numbers = np.random.default_rng(3)
    outputs = numbers.normal(0, 2, (300, 1 if kind == "binary" else 4))
    activate = (lambda z: softmax(z, axis=1)) if kind == "multiclass" else expit
    label = {
        "binary": numbers.integers(0, 2, 300),
        "multiclass": numbers.integers(0, 4, 300),
        "tagging": numbers.integers(0, 2, (300, 4)),
    }[kind]
    scaled = calibration_of(kind, label, activate(outputs / temperature), temperature, bootstrap(300))
    raw = calibration_of(kind, label, activate(outputs), 1.0, bootstrap(300))
    assert scaled.error_unscaled == pytest.approx(raw.error.value, abs=1e-4)
    assert raw.error_unscaled == pytest.approx(raw.error.value, abs=1e-4)
    assert scaled.error.low <= scaled.error.value <= scaled.error.high


def test_bins_tell_confidence_and_rate_of_every_prediction():
    numbers = np.random.default_rng(0)
    scores = numbers.random((200, 3))
    found = calibration_of("tagging", (numbers.random((200, 3)) < scores), scores, 1.0, bootstrap(200))
    assert len(found.bins) == NUM_BINS
    assert sum(part.num_examples for part in found.bins) == 600
    assert [part.confidence for part in found.bins] == sorted(part.confidence for part in found.bins)
    total = sum(part.num_examples * abs(part.rate - part.confidence) for part in found.bins) / 600
    assert total == pytest.approx(found.error.value)


def test_the_likeliest_class_is_what_a_multiclass_head_predicts():
    scores = np.tile([0.7, 0.2, 0.1], (10, 1))
    found = calibration_of("multiclass", np.array([0] * 7 + [1, 1, 2]), scores, 1.0, bootstrap(10))
    assert found.error.value == pytest.approx(0)
    assert [(part.confidence, part.rate, part.num_examples) for part in found.bins] == [(pytest.approx(0.7), 0.7, 10)]


def test_kinds_without_probabilities_have_no_calibration():
    for kind in ("count", "regression", "ranking", "retrieval", "multilabel"):
        assert calibration_of(kind, np.zeros(3), np.zeros((3, 1)), 1.0, bootstrap(3)) is None


def test_the_interval_of_a_calibrated_head_reaches_below_its_value():
    numbers = np.random.default_rng(1)
    scores = numbers.random((800, 1))
    error = calibration_of("binary", numbers.random(800) < scores[:, 0], scores, 1.0, bootstrap(800)).error
    assert 0 <= error.low < error.value / 2
    wrong = calibration_of("binary", numbers.random(800) < 0.5, scores, 1.0, bootstrap(800)).error
    assert wrong.low > 0.15


def test_certain_predictions_stay_finite():
    found = calibration_of("binary", np.array([1, 0]), np.array([[1.0], [0.0]], np.float32), 2.0, bootstrap(2))
    assert found.error_unscaled == pytest.approx(0, abs=1e-6)
