"""Probabilities that do not come true are refused."""

import pytest
from fixtures.judged import NAN, evaluation, results, suite_of, task

from polymart.evaluation.records import Calibration, Score


def calibration(value: float, low: float) -> Calibration:
    error = Score(value=value, low=low, high=value + 0.02)
    return Calibration(temperature=1.3, error=error, error_unscaled=0.2, bins=[])


def judged(found: Calibration, **parts):
    return results("calibration", evaluation(task(calibration=found, **parts)), suite_of(calibration_error=0.05))[0]


@pytest.mark.parametrize(
    ("value", "low", "parts", "expected"),
    [
        (0.05, 0.03, {}, "pass"),
        (0.06, 0.05, {}, "inconclusive"),
        (0.09, 0.06, {}, "fail"),
        (NAN, NAN, {}, "inconclusive"),
        (0.01, 0.00, {"examples": 99}, "inconclusive"),
    ],
)
def test_the_rule(value, low, parts, expected):
    assert judged(calibration(value, low), **parts).outcome == expected


def test_the_cause_tells_error_temperature_and_limit():
    assert judged(calibration(0.09, 0.06)).cause == (
        "mood: expected calibration error 0.090 [0.060, 0.110] after scaling with temperature 1.300; 0.050 is allowed"
    )


def test_tasks_without_probabilities_and_suites_without_a_limit_are_not_judged():
    assert results("calibration", evaluation(task()), suite_of(calibration_error=0.05)) == []
    assert results("calibration", evaluation(task(calibration=calibration(0.9, 0.8))), suite_of()) == []
