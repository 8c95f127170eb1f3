"""A bar is reached for certain, or it is not reached."""

import numpy as np
import pandas as pd
import pytest
from fixtures.judged import NAN, around, evaluation, results, suite_of, task

from polymart.evaluation.bootstrap import Bootstrap
from polymart.evaluation.metrics import METRICS


def judged(bar: float, **parts):
    return results("bar", evaluation(task(**parts)), suite_of({"bar": bar}))[0]


GREATER = {"score": around(0.6), "score_bound": 0.52}  # 0.5 to 0.7
LESS = {"score": around(0.6), "score_bound": 0.68, "greater_is_better": False}


@pytest.mark.parametrize(
    ("bar", "parts", "expected"),
    [
        (0.52, GREATER, "pass"),
        (0.53, GREATER, "inconclusive"),
        (0.70, GREATER, "inconclusive"),
        (0.71, GREATER, "fail"),
        (0.68, LESS, "pass"),
        (0.67, LESS, "inconclusive"),
        (0.50, LESS, "inconclusive"),
        (0.49, LESS, "fail"),
        (0.10, GREATER | {"score_bound": NAN}, "inconclusive"),
        (0.10, GREATER | {"score_bound": None}, "inconclusive"),
        (0.10, GREATER | {"examples": 99}, "inconclusive"),
    ],
)
def test_the_rule(bar, parts, expected):
    assert judged(bar, **parts).outcome == expected


def test_a_task_without_a_bar_has_none():
    assert results("bar", evaluation(task()), suite_of()) == []


def test_cause_and_rule_tell_the_direction():
    missed = judged(0.49, **LESS)
    assert missed.cause == "mood: accuracy 0.600 [0.500, 0.700] misses its bar; at most 0.490 is asked for"
    assert "95% upper bound of accuracy <= 0.49 " in missed.rule
    unsure = judged(0.55, **GREATER)
    assert "may miss its bar, it is sure of 0.520 only; at least 0.550 is asked for" in unsure.cause
    assert (unsure.number, unsure.low, unsure.high) == (0.52, 0.5, 0.7)


@pytest.mark.parametrize(("name", "worse"), [("accuracy", "low"), ("mae", "high")])
def test_the_bound_lies_between_the_value_and_the_worse_end(name, worse):
    numbers = np.random.default_rng(0)
    label = numbers.integers(0, 2, 300)
    scores = numbers.random((300, 2)) if name == "accuracy" else label[:, None] + numbers.random((300, 1))
    bootstrap = Bootstrap(pd.Series(range(300)), resamples=500, confidence=0.95, seed=0)
    measured = bootstrap.measure(METRICS[name], label, scores)
    bound, interval = bootstrap.bound(METRICS[name], measured), bootstrap.interval(measured)
    inside = interval.low < bound < interval.value if worse == "low" else interval.value < bound < interval.high
    assert inside
