"""The overall outcome is the worst; NaN never passes; an override opens the branch and hides nothing."""

from __future__ import annotations

import math

import pytest
from fixtures.judged import CHAMPION, NAN, RANK, evaluation, finding, results, rival, suite_of, task
from hypothesis import given
from hypothesis import strategies as st

from polymart.config import Slice
from polymart.errors import GateError
from polymart.evaluation.records import (
    Calibration,
    Evaluation,
    FeatureAge,
    Latency,
    Override,
    Score,
    SliceEvaluation,
    SliceGap,
    Verdict,
)  # fmt: skip
from polymart.gates import explain, judge, judge_release, worst

MADE = {"pass": {}, "fail": {"bound": -0.5, "high": -0.4}, "inconclusive": {"bound": -0.1, "high": 0.1}}
ADA = Override(who="Ada", why="the champion loses orders")
PROBE = {"status": "pass", "cause": "", "max_difference": 0.0, "tolerance": 1e-4, "durations_ms": [9.0] * 400}
EVERYTHING = suite_of(
    {"bar": 0.5, "slices": [Slice(name="age", column="age", max_gap=0.1)]},
    single_task=True, leakage=True, calibration_error=0.05, feature_age_days=14, size_mb=300.0, latency_ms=300.0,
)  # fmt: skip
outcomes = st.sampled_from(sorted(RANK))


def whole(number: float = 0.0) -> Evaluation:
    """A candidate that passes every gate, each of whose numbers is moved by ``number``."""
    bad = number
    group = SliceEvaluation(
        slice="age", group="old", num_examples=500, num_clusters=500, score=Score(value=0.6, low=0.5, high=0.7),
        reference=CHAMPION, gain=Score(value=0.0, low=-0.1, high=0.1), p_value=0.5 + bad,
    )  # fmt: skip
    gap = SliceGap(
        slice="age", best="a", worst="b", gap=Score(value=0.01 + bad, low=bad, high=0.05), lower_bound=0.0 + bad
    )
    made = task(
        bound=0.1 + bad,
        score_bound=0.55 + bad,
        champion=rival(0.01 + bad, 0.02),
        single_task=rival(0.01 + bad, 0.02, name="single_task"),
        slices=[group],
        gaps=[gap],
        calibration=Calibration(
            temperature=1.0, error=Score(value=0.01 + bad, low=bad, high=0.02), error_unscaled=0.1, bins=[]
        ),
        leakage=[finding(0.6 + bad)],
    )
    age = FeatureAge(source="mood", newest_label="2017-12-30T00:00:00Z", newest_feature="2017-12-29T00:00:00Z",
                     age_days=1.0 + bad)  # fmt: skip
    return evaluation(
        made, champion=CHAMPION, size_mb=91.0 + bad, feature_age=[age],
        latency=Latency(p50_ms=18.0 + bad, p99_ms=40.0 + bad, num_requests=200), resamples=1000,
    )  # fmt: skip


def test_a_good_candidate_passes_every_gate():
    verdict = judge(whole(), EVERYTHING)
    assert verdict.passed
    assert verdict.may_release
    assert {gate.gate for gate in verdict.gates} == {
        "integrity", "floor", "bar", "champion", "single_task", "slices", "fairness", "calibration", "leakage",
        "feature_age", "size", "latency",
    }  # fmt: skip
    assert not any(math.isnan(gate.number) for gate in verdict.gates)
    assert explain(verdict) == []


def test_nan_never_passes():
    said = judge(whole(NAN), EVERYTHING).gates
    assert {gate.gate for gate in said if gate.outcome == "pass"} == {"integrity"}  # which looks at no number
    assert all(gate.cause for gate in said if gate.gate != "integrity")


@pytest.mark.parametrize("gate", ["slices", "fairness", "calibration", "leakage", "feature_age", "size", "latency"])
def test_each_gate_alone_shuts_the_release(gate):
    good, bad = whole(), whole(NAN)
    part = {"feature_age": "feature_age", "size": "size_mb", "latency": "latency"}.get(gate, "tasks")
    if part == "tasks":
        field = {"fairness": "gaps"}.get(gate, gate)
        changed = good.tasks[0].model_copy(update={field: getattr(bad.tasks[0], field)})
        candidate = good.model_copy(update={"tasks": [changed]})
    else:
        candidate = good.model_copy(update={part: getattr(bad, part)})
    verdict = judge(candidate, EVERYTHING)
    assert verdict.overall == "inconclusive"
    assert [one.gate for one in verdict.gates if one.outcome != "pass"] == [gate]


@given(st.lists(outcomes, min_size=1, max_size=2))
def test_the_overall_outcome_is_the_worst(wanted):
    tasks = [task(name, **MADE[one]) for name, one in zip(("mood", "reply"), wanted, strict=False)]
    verdict = judge(evaluation(*tasks), suite_of())
    assert [gate.outcome for gate in verdict.gates if gate.gate == "floor"] == wanted
    assert verdict.overall == min(wanted, key=RANK.__getitem__) == worst(wanted)
    assert verdict.passed == (set(wanted) == {"pass"})


def test_nothing_judged_is_no_pass():
    assert worst([]) == "inconclusive"
    with pytest.raises(GateError, match="holds no task"):
        judge(evaluation(), suite_of())


@given(outcomes, st.booleans())
def test_an_override_opens_the_branch_and_changes_no_outcome(wanted, overridden):
    found = evaluation(task(**MADE[wanted]))
    verdict = judge(found, suite_of(), ADA if overridden else None)
    assert verdict.gates == judge(found, suite_of()).gates
    assert verdict.overall == wanted
    assert verdict.may_release == (overridden or wanted == "pass")


@pytest.mark.parametrize("status", ["pass", "fail"])
def test_the_final_verdict_adds_the_started_bento(status):
    first = judge(whole(), EVERYTHING)
    final = judge_release(first, PROBE | {"status": status, "cause": "not ready"}, EVERYTHING)
    assert final.overall == status
    assert final.gates[: len(first.gates)] == first.gates
    assert [(gate.gate, gate.outcome) for gate in final.gates[len(first.gates) :]] == [
        ("probe", status),
        ("latency", "pass"),
    ]


def test_what_was_kept_before_it_was_packaged_stays_as_it_was():
    kept = judge(evaluation(task(**MADE["fail"])), suite_of())
    assert judge_release(kept, None, suite_of()) == kept


def test_an_override_that_nobody_needed_is_not_held_against_the_release():
    assert judge_release(judge(whole(), EVERYTHING, ADA), PROBE, EVERYTHING).override is None
    shut = judge_release(judge(whole(), EVERYTHING, ADA), PROBE | {"status": "fail"}, EVERYTHING)
    assert (shut.overall, shut.may_release, shut.override) == ("fail", True, ADA)


def test_the_explanation_names_every_gate_that_did_not_pass_the_worst_first():
    verdict = judge(evaluation(task(**MADE["inconclusive"]), task("reply", **MADE["fail"])), suite_of(), ADA)
    lines = explain(verdict)
    assert [line.split(":")[0] for line in lines] == ["fail floor", "inconclusive floor", "override"]
    assert lines[0].startswith("fail floor: reply: accuracy 0.600 ")
    assert lines[2] == "override: Ada: the champion loses orders"


def test_records_survive_their_files(tmp_path):
    candidate = whole()
    candidate.write(tmp_path / "evaluation.json")
    assert Evaluation.read(tmp_path / "evaluation.json") == candidate
    verdict = judge(candidate, EVERYTHING, ADA)
    verdict.write(tmp_path / "verdict.json")
    assert Verdict.read(tmp_path / "verdict.json") == verdict


def test_an_undefined_number_survives_its_file_without_passing(tmp_path):
    evaluation(task(bound=NAN, high=NAN)).write(tmp_path / "evaluation.json")
    read = Evaluation.read(tmp_path / "evaluation.json")
    assert math.isnan(read.tasks[0].gain_lower_bound)
    assert results("floor", read, suite_of())[0].outcome == "inconclusive"
