"""A task must beat what needs no model; worse is never judged better."""

import pytest
from fixtures.judged import NAN, RANK, evaluation, results, suite_of, task
from hypothesis import given
from hypothesis import strategies as st

from polymart.errors import SuiteError


def outcome(margin: float = 0.0, **changes) -> str:
    (found,) = results("floor", evaluation(task(**changes)), suite_of({"margin": margin}))
    return found.outcome


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bound": 0.01}, "pass"),
        ({"bound": 0.0}, "inconclusive"),  # equal to the floor is not better
        ({"bound": -0.01, "high": 0.2}, "inconclusive"),
        ({"bound": -0.3, "high": 0.0}, "fail"),
        ({"bound": -0.3, "high": -0.1}, "fail"),
        ({"bound": -0.01, "high": 0.2, "margin": 0.02}, "pass"),
        ({"bound": -0.3, "high": -0.01, "margin": 0.02}, "inconclusive"),
        ({"bound": -0.3, "high": -0.02, "margin": 0.02}, "fail"),
        ({"bound": NAN}, "inconclusive"),
        ({"bound": NAN, "high": NAN}, "inconclusive"),
        ({"bound": 0.5, "high": 0.6, "examples": 99}, "inconclusive"),
        ({"bound": 0.5, "high": 0.6, "examples": 100}, "pass"),
        ({"bound": -0.5, "high": -0.4, "examples": 99}, "inconclusive"),
    ],
)
def test_the_rule(changes, expected):
    assert outcome(**changes) == expected


bounds = st.floats(-1, 1)


@given(bounds, bounds, bounds, st.floats(0, 0.5), st.integers(1, 300))
def test_a_larger_gain_is_never_judged_worse(bound, width, gain, margin, examples):
    width, gain = abs(width), abs(gain)
    before = outcome(bound=bound, high=bound + width, margin=margin, examples=examples)
    after = outcome(bound=bound + gain, high=bound + width + gain, margin=margin, examples=examples)
    assert RANK[after] >= RANK[before]


@given(bounds, bounds, st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_wider_margin_is_never_stricter(bound, width, first, second):
    narrow, wide = sorted((first, second))
    found = [outcome(bound=bound, high=bound + abs(width), margin=margin) for margin in (narrow, wide)]
    assert RANK[found[0]] <= RANK[found[1]]


def test_a_gate_states_its_rule_number_and_interval():
    (found,) = results("floor", evaluation(task(bound=0.0123)), suite_of({"margin": 0.02}))
    assert (found.number, found.low, found.high) == (0.0123, 0.0123, 0.3)
    assert found.rule == (
        "95% lower bound of the gain in accuracy over the floor majority > -0.02 on at least 100 examples (found 500)"
    )


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        (
            {"bound": -0.3, "high": -0.1},
            "mood: accuracy 0.600 [0.500, 0.700] is 0.200 below the floor majority (0.400); "
            "it must be above for certain",
        ),
        (
            {"bound": -0.02, "high": 0.06, "greater_is_better": False},
            "mood: accuracy 0.600 [0.500, 0.700] is 0.020 below the floor majority (0.400) but may be 0.020 above it; "
            "it must be below for certain",
        ),
        ({"bound": NAN}, "cannot be compared with the floor majority: the difference is no number"),
        ({"examples": 7}, "mood: 7 test examples are too few to judge accuracy, 100 are needed"),
    ],
)
def test_the_cause_names_the_task_and_its_numbers(changes, cause):
    (found,) = results("floor", evaluation(task(**changes)), suite_of())
    assert cause in found.cause


def test_a_task_of_another_suite_is_refused():
    with pytest.raises(SuiteError, match="no task 'gone'"):
        results("floor", evaluation(task("gone")), suite_of())
