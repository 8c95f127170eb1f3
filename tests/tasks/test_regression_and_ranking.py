import math

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.tiny_suite import tiny_suite
from hypothesis import given
from hypothesis import strategies as st

from polymart.tasks.ranking import GAIN_STEPS, Ranking
from polymart.tasks.regression import Regression

TASK = tiny_suite().tasks[0]
numbers = st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=30)


@given(numbers, st.sampled_from([1e-3, 1.0, 1e4]), st.sampled_from([0.0, -100.0]))
def test_units_do_not_matter_to_the_loss(values, factor, shift):
    def loss(target: torch.Tensor) -> torch.Tensor:
        kind = Regression().bind(TASK, Regression().fit(target))
        return kind.loss(torch.zeros(len(target), 1, dtype=torch.float64), target)

    target = torch.tensor(values, dtype=torch.float64)
    torch.testing.assert_close(loss(target), loss(target * factor + shift), rtol=1e-5, atol=1e-5)


def test_scores_are_in_the_units_of_the_label():
    target = torch.tensor([10.0, 20.0, 60.0])
    kind = Regression().bind(TASK, Regression().fit(target))
    assert kind.activate(torch.zeros(1, 1)).item() == pytest.approx(30)
    z = (target - 30) / target.std(correction=0)
    torch.testing.assert_close(kind.activate(z[:, None])[:, 0], target)
    assert not kind.loss(z[:, None], target).any()


def test_a_label_far_away_pulls_no_harder_than_one_at_a_deviation():
    kind, outputs_BO = Regression(), torch.zeros(3, 1, requires_grad=True)
    kind.loss(outputs_BO, torch.tensor([0.5, 1.0, 1e6])).sum().backward()
    assert outputs_BO.grad[:, 0].tolist() == [-1.0, -2.0, -2.0]


@pytest.mark.parametrize("value", [0.0, 7.0, 0.1, 1e9])
def test_constant_labels_have_unit_scale(value):
    assert Regression().fit(torch.full((99,), value)).scale == 1.0


def test_labels_may_be_negative_and_come_as_text():
    assert Regression().encode_labels(pd.Series(["-3.5", 2]), None, "t").tolist() == [-3.5, 2.0]


@given(st.lists(st.floats(-10, 10), min_size=3, max_size=3))
def test_the_score_is_the_expected_gain(logits):
    outputs_BO = torch.tensor([sorted(logits, reverse=True)], dtype=torch.float64)
    above = [1.0, *outputs_BO.sigmoid()[0].tolist(), 0.0]
    of_grade = -np.diff(above)
    gain = [(2**grade - 1) / 7 for grade in range(4)]
    assert float(Ranking().activate(outputs_BO)) == pytest.approx(np.dot(of_grade, gain))
    assert sum(GAIN_STEPS) == pytest.approx(1)


def test_certain_grades_have_their_gain():
    outputs_BO = torch.tensor([[-50.0] * 3, [50.0, -50.0, -50.0], [50.0, 50.0, -50.0], [50.0] * 3])
    assert Ranking().activate(outputs_BO)[:, 0].tolist() == pytest.approx([0, 1 / 7, 3 / 7, 1])


def test_a_nearer_grade_costs_less():
    sure_of = {0: [-4.0] * 3, 1: [4.0, -4.0, -4.0], 3: [4.0] * 3}
    costs = {g: float(Ranking().loss(torch.tensor([row]), torch.tensor([0.0]))) for g, row in sure_of.items()}
    assert costs[0] < costs[1] < costs[3]


def test_a_head_that_knows_nothing_costs_one():
    loss_B = Ranking().loss(torch.zeros(4, 3), torch.arange(4.0))
    assert loss_B.tolist() == pytest.approx([1.0] * 4)
    assert Ranking().loss(torch.tensor([[1.0, 0, 0]]), torch.tensor([1.0])).item() == pytest.approx(
        (math.log1p(math.exp(-1)) / math.log(2) + 2) / 3
    )
