"""No task may be worse than in the release that runs."""

import pytest
from fixtures.judged import CHAMPION, NAN, evaluation, results, rival, suite_of, task


def judged(champion):
    return results("champion", evaluation(task(champion=champion), champion=CHAMPION), suite_of())


@pytest.mark.parametrize(
    ("bound", "high", "expected"),
    [
        (-0.004, 0.01, "pass"),
        (-0.005, 0.01, "inconclusive"),
        (-0.030, -0.001, "inconclusive"),
        (-0.030, -0.005, "fail"),
        (NAN, 0.1, "inconclusive"),
    ],
)
def test_the_rule(bound, high, expected):
    (found,) = judged(rival(bound, high))
    assert found.outcome == expected
    assert f"over the champion {CHAMPION} > -0.005" in found.rule


def test_the_cause_is_the_one_that_a_person_would_give():
    score = {"value": 0.871, "low": 0.859, "high": 0.883}
    worse = rival(-0.041, -0.021).model_copy(update={"score": rival(0, 0).score.model_copy(update={"value": 0.902})})
    (found,) = results("champion", evaluation(task(score=score, champion=worse), champion=CHAMPION), suite_of())
    assert found.cause == (
        f"mood: accuracy 0.871 [0.859, 0.883] is 0.031 below the champion {CHAMPION} (0.902); 0.005 is allowed"
    )


@pytest.mark.parametrize("champion", [rival(0.0, 0.0, margin=0.0), rival(NAN, NAN), rival(-0.5, -0.4)])
def test_the_same_checkpoint_is_no_worse_than_itself(champion):
    (found,) = judged(champion.model_copy(update={"checkpoint": "sha256:0"}))
    assert (found.outcome, found.number) == ("pass", 0.0)


def test_tasks_that_the_champion_lacks_are_passed_over_with_a_line():
    found = results(
        "champion",
        evaluation(task(champion=rival(0.0, 0.1)), task("reply"), champion=CHAMPION),
        suite_of(),
    )
    assert [(one.task, one.outcome) for one in found] == [("mood", "pass"), ("", "pass")]
    assert (found[1].number, found[1].rule) == (
        1.0,
        f"passed over, since the champion {CHAMPION} has no such task: reply",
    )


def test_without_a_champion_or_where_nobody_asks_nothing_is_judged():
    assert results("champion", evaluation(task()), suite_of()) == []
    worse = evaluation(task(champion=rival(-0.5, -0.4)), champion=CHAMPION)
    assert results("champion", worse, suite_of(champion=False)) == []
