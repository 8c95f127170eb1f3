"""The gap between groups: refused where it is sure, let through where it is not seen, else inconclusive."""

import pytest
from fixtures.judged import NAN, evaluation, results, suite_of, task

from polymart.config import Slice
from polymart.evaluation.records import Score, SliceGap

SUITE = suite_of({"slices": [Slice(name="age", column="age", max_gap=0.05), Slice(name="store", column="store")]})


def gap(value: float, lower_bound: float) -> SliceGap:
    interval = Score(value=value, low=lower_bound - 0.01, high=value + 0.02)
    return SliceGap(slice="age", best="18-30", worst="60+", gap=interval, lower_bound=lower_bound)


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([gap(0.05, 0.01)], "pass"),
        ([gap(0.06, 0.05)], "inconclusive"),
        ([gap(0.09, 0.051)], "fail"),
        ([gap(NAN, NAN)], "inconclusive"),
        ([], "inconclusive"),
    ],
)
def test_the_rule(gaps, expected):
    (found,) = results("fairness", evaluation(task(gaps=gaps)), SUITE)  # the slice without max_gap is not judged
    assert found.outcome == expected


def test_the_cause_names_both_groups_and_the_gap():
    (found,) = results("fairness", evaluation(task(gaps=[gap(0.09, 0.06)])), SUITE)
    assert found.cause == ("mood: accuracy of age=60+ lies 0.090 [0.050, 0.110] behind age=18-30; 0.050 is allowed")
    (unsure,) = results("fairness", evaluation(task(gaps=[gap(0.09, 0.04)])), SUITE)
    assert "(for certain only 0.040)" in unsure.cause


def test_one_group_alone_has_no_gap():
    (found,) = results("fairness", evaluation(task()), SUITE)
    assert found.cause == "mood: slice age has fewer than two groups of at least 100 examples, so no gap"
