import math

import pytest
from fixtures.tiny_suite import tiny_suite
from hypothesis import given
from hypothesis import strategies as st

from polymart.errors import GateError, SuiteError
from polymart.evaluation.records import Evaluation, Score, TaskEvaluation, Verdict
from polymart.evaluation.verdict import gate_suite

RANK = {"fail": 0, "inconclusive": 1, "pass": 2}
NAN = float("nan")


def suite_of(margin: float = 0.0, min_examples: int = 100):
    suite = tiny_suite("mood", "reply")
    tasks = [task.model_copy(update={"margin": margin}) for task in suite.tasks]
    return suite.model_copy(
        update={"tasks": tasks, "gates": suite.gates.model_copy(update={"min_examples": min_examples})}
    )


def task(name: str = "mood", bound: float = 0.1, high: float = 0.3, examples: int = 500) -> TaskEvaluation:
    score = Score(value=0.6, low=0.5, high=0.7)
    return TaskEvaluation(
        task=name,
        kind="multiclass",
        metric="accuracy",
        greater_is_better=True,
        score=score,
        floor="majority",
        floor_score=score,
        gain=Score(value=(bound + high) / 2, low=bound, high=high),
        gain_lower_bound=bound,
        num_examples=examples,
        num_clusters=examples,
        data_origin="synthetic",
    )


def outcome(margin: float = 0.0, **changes) -> str:
    return gate_suite(evaluation(task(**changes)), suite_of(margin)).overall


def evaluation(*tasks: TaskEvaluation) -> Evaluation:
    return Evaluation(suite="tiny", checkpoint="sha256:0", confidence=0.95, resamples=200, tasks=list(tasks))


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
        ({"bound": 0.5, "examples": 99}, "inconclusive"),
        ({"bound": 0.5, "examples": 100}, "pass"),
        ({"bound": -0.5, "high": -0.4, "examples": 99}, "inconclusive"),
    ],
)
def test_the_rule(changes, expected):
    assert outcome(**changes) == expected


bounds = st.floats(-1, 1)


@given(bounds, bounds, bounds, st.floats(0, 0.5), st.integers(1, 300))
def test_worse_is_never_judged_better(bound, width, drop, margin, examples):
    width, drop = abs(width), abs(drop)
    before = outcome(bound=bound, high=bound + width, margin=margin, examples=examples)
    after = outcome(bound=bound - drop, high=bound + width - drop, margin=margin, examples=examples)
    assert RANK[after] <= RANK[before]


@given(bounds, bounds, st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_wider_margin_is_never_stricter(bound, width, first, second):
    narrow, wide = sorted((first, second))
    found = [outcome(bound=bound, high=bound + abs(width), margin=margin) for margin in (narrow, wide)]
    assert RANK[found[0]] <= RANK[found[1]]


@pytest.mark.parametrize(
    ("first", "second", "overall"),
    [
        ("pass", "pass", "pass"),
        ("pass", "fail", "fail"),
        ("inconclusive", "fail", "fail"),
        ("inconclusive", "pass", "inconclusive"),
    ],
)
def test_every_task_must_pass(first, second, overall):
    made = {"pass": {}, "fail": {"bound": -0.5, "high": -0.4}, "inconclusive": {"bound": -0.1, "high": 0.1}}
    for names in (("mood", "reply"), ("reply", "mood")):
        verdict = gate_suite(evaluation(task(names[0], **made[first]), task(names[1], **made[second])), suite_of())
        assert verdict.overall == overall
        assert [gate.outcome for gate in verdict.gates] == [first, second]
        assert verdict.passed == (overall == "pass")


def test_a_gate_states_its_rule_and_number():
    (gate,) = gate_suite(evaluation(task(bound=0.0123)), suite_of(margin=0.02)).gates
    assert gate.number == 0.0123
    assert gate.rule.startswith("95% lower bound of the gain in accuracy over majority > -0.02 ")
    assert gate.rule.endswith("on at least 100 examples (found 500)")


def test_nothing_evaluated_is_no_pass():
    with pytest.raises(GateError, match="holds no task"):
        gate_suite(evaluation(), suite_of())


def test_a_task_of_another_suite_is_refused():
    with pytest.raises(SuiteError, match="no task 'gone'"):
        gate_suite(evaluation(task("gone")), suite_of())


def test_records_survive_their_files(tmp_path):
    whole = evaluation(task(), task("reply", bound=-0.5, high=-0.4))
    whole.write(tmp_path / "evaluation.json")
    assert Evaluation.read(tmp_path / "evaluation.json") == whole
    verdict = gate_suite(whole, suite_of())
    verdict.write(tmp_path / "verdict.json")
    assert Verdict.read(tmp_path / "verdict.json") == verdict
    assert (tmp_path / "verdict.json").read_text().count('"fail"') == 2


def test_an_undefined_number_survives_its_file_without_passing(tmp_path):
    evaluation(task(bound=NAN, high=NAN)).write(tmp_path / "evaluation.json")
    read = Evaluation.read(tmp_path / "evaluation.json")
    assert math.isnan(read.tasks[0].gain_lower_bound)
    assert not gate_suite(read, suite_of()).passed
