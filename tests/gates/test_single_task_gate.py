"""No task may pay for what the others gain."""

import pytest
from fixtures.judged import evaluation, results, rival, suite_of, task


@pytest.mark.parametrize(("bound", "high", "expected"), [(-0.001, 0.01, "pass"), (-0.02, 0.01, "inconclusive"),
                                                         (-0.05, -0.02, "fail")])  # fmt: skip
def test_each_task_is_held_against_its_own_model(bound, high, expected):
    own = rival(bound, high, name="single_task")
    (found,) = results("single_task", evaluation(task(single_task=own)), suite_of(single_task=True))
    assert found.outcome == expected
    assert "over the single-task model > -0.005" in found.rule


def test_a_model_that_was_asked_for_but_is_absent_is_inconclusive():
    (found,) = results("single_task", evaluation(task()), suite_of(single_task=True))
    assert found.outcome == "inconclusive"
    assert found.cause.startswith("mood: accuracy 0.600 ")
    assert found.cause.endswith("its single-task model is absent")


def test_nobody_asks_by_default():
    own = rival(-0.5, -0.4, name="single_task")
    assert results("single_task", evaluation(task(single_task=own)), suite_of()) == []
