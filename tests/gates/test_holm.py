"""Holm's procedure: the known example, and what it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart.gates.holm import holm

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("given_p", "adjusted"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # worked by hand: 4 x .005, 3 x .01, 2 x .03, max
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_known_answers(given_p, adjusted):
    assert holm(given_p) == pytest.approx(adjusted)


@given(p_values)
def test_it_lies_between_no_correction_and_bonferroni_and_keeps_the_order(p):
    adjusted = np.array(holm(p))
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(np.array(p) * len(p), 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


@given(p_values, st.randoms(use_true_random=False))
def test_the_order_given_does_not_matter(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    assert [holm(p)[i] for i in order] == pytest.approx(holm([p[i] for i in order]))


def test_one_false_alarm_among_many_true_hypotheses_stays_rare():
    numbers = np.random.default_rng(0)
    alarms = np.mean([min(holm(list(numbers.random(20)))) < 0.05 for _ in range(2000)])
    assert 0.035 < alarms < 0.065  # uncorrected it would be 0.64


def test_nan_is_never_significant_and_hides_nothing():
    adjusted = holm([float("nan"), 0.01])
    assert np.isnan(adjusted[0])
    assert adjusted[1] == pytest.approx(0.02)
