"""A group that falls behind is found; small groups and chance are not taken for one."""

import pytest
from fixtures.judged import CHAMPION, NAN, around, evaluation, results, suite_of, task
from hypothesis import given
from hypothesis import strategies as st

from polymart.config import Slice
from polymart.evaluation.records import SliceEvaluation

SUITE = suite_of({"slices": [Slice(name="age", column="age")]})


def group(name: str, p_value: float, examples: int = 500, gain: float = -0.04) -> SliceEvaluation:
    return SliceEvaluation(
        slice="age", group=name, num_examples=examples, num_clusters=examples, score=around(0.5), reference=CHAMPION,
        gain=around(gain), p_value=p_value,
    )  # fmt: skip


def judged(*groups: SliceEvaluation, resamples: int = 1000):
    return results("slices", evaluation(task(slices=list(groups)), resamples=resamples), SUITE)[0]


def test_a_significantly_worse_group_fails_and_is_named_with_its_numbers():
    found = judged(group("18-30", 0.9), group("60+", 0.001))
    assert (found.outcome, found.number) == ("fail", 0.002)
    assert found.cause == (
        f"mood: accuracy of age=60+ is 0.500 [0.400, 0.600], 0.040 worse than {CHAMPION} (Holm p 0.002)"
    )


def test_one_low_p_among_many_is_chance():
    assert judged(*(group(str(i), 0.01 if i == 0 else 0.5) for i in range(10))).outcome == "pass"


def test_small_groups_are_counted_and_not_judged():
    found = judged(group("young", 0.5), group("old", 0.001, examples=99))
    assert found.outcome == "pass"
    assert "judged 1 of 2 groups" in found.rule


@pytest.mark.parametrize(
    ("groups", "cause"),
    [
        ([], "mood: no group of slice age was measured"),
        ([group("young", NAN), group("old", 0.9)], "mood: accuracy of age=young could not be compared"),
        ([group(str(i), 0.5) for i in range(60)], "1000 resamples cannot show"),
    ],
)
def test_what_cannot_be_judged_is_inconclusive(groups, cause):
    found = judged(*groups)
    assert found.outcome == "inconclusive"
    assert cause in found.cause


def test_what_cannot_be_judged_does_not_hide_a_worse_group():
    assert judged(group("young", NAN), group("old", 0.001)).outcome == "fail"


def test_a_task_without_slices_has_no_such_gate():
    assert results("slices", evaluation(task()), suite_of()) == []


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=8), st.integers(0, 7))
def test_a_better_group_never_makes_the_verdict_worse(p_values, index):
    better = list(p_values)
    better[index % len(better)] = 1.0
    before, after = (judged(*(group(str(i), p) for i, p in enumerate(ps))).outcome for ps in (p_values, better))
    assert not (before == "pass" and after == "fail")
