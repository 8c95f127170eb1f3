"""The run page says what failed and why first, and everything that was measured after it."""

from __future__ import annotations

import re

import pytest
from fixtures.evaluations import CHAMPION, made_evaluation, made_verdict, score
from fixtures.run_pages import Parsed, log_of, page
from fixtures.tiny_suite import tiny_suite

from polymart.evaluation.page.changes import by_gain, direction, suite_changes
from polymart.evaluation.records import Defect, Score

HOSTILE = "<script>alert('x')</script> & \"quoted\""
NAN = float("nan")


def test_names_are_shown_as_text() -> None:
    suite = tiny_suite("mood", "reply").model_copy(update={"description": HOSTILE})
    evaluation = made_evaluation(suite, champion=HOSTILE).model_copy(update={"skipped": {"intent": HOSTILE}})
    slices = [evaluation.tasks[0].slices[0].model_copy(update={"group": HOSTILE, "slice": HOSTILE})]
    tasks = [evaluation.tasks[0].model_copy(update={"slices": slices, "baseline": HOSTILE}), evaluation.tasks[1]]
    evaluation = evaluation.model_copy(update={"tasks": tasks})
    found = Parsed(
        page(
            suite,
            evaluation,
            made_verdict(evaluation, {("champion", HOSTILE): ("fail", HOSTILE)}, override=f"Ada: {HOSTILE}"),
            tables={"rules": [{"table": HOSTILE, "rule": HOSTILE, "rows_before": 1200, "rows_after": 1000}]},
            facts={HOSTILE: HOSTILE},
            steps={HOSTILE: ("done", 1.0)},
            release=HOSTILE,
            drift={"href": 'drift.html" onclick="x', "action": "wait"},
        )
    )
    assert not found.all("script")
    assert found.text.count(HOSTILE) >= 15
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    assert found.all("a") == [{"href": 'drift.html" onclick="x'}]


def test_what_failed_and_why_comes_first() -> None:
    missed = {
        ("calibration", "reply"): ("inconclusive", "reply may be too sure of itself"),
        ("champion", "mood"): ("fail", "mood lost 0.021 against the champion"),
    }
    suite = tiny_suite("reply", "mood")  # in this order
    evaluation = made_evaluation(suite)
    html = page(suite, evaluation, made_verdict(evaluation, missed, override="Ada: the old one is broken"))
    text = Parsed(html).text
    order = [
        "✕ fail: suite tiny",
        "2 of 5 gates did not pass: calibration, champion.",
        "Override by Ada: the old one is broken. The verdict stays fail",
        "✕ fail: champion, mood mood lost 0.021 against the champion",
        "? inconclusive: calibration, reply reply may be too sure of itself",
        "All 5 gates",
        "Tasks on the test period",
    ]
    places = [text.index(line) for line in order]
    assert places == sorted(places)
    rows = re.findall(r'<th scope="row" class="sticky">(mood|reply)<br>', html)
    assert rows == ["mood", "reply"]  # the failed task first, whatever the suite's order
    assert f"Not released; {CHAMPION} stays." in text


@pytest.mark.parametrize(("outcome", "sign"), [("pass", "✓"), ("fail", "✕"), ("inconclusive", "?")])
def test_the_outcome_stands_in_the_title_with_a_sign(outcome: str, sign: str) -> None:
    missed = {} if outcome == "pass" else {("floor", "mood"): (outcome, "because")}
    evaluation = made_evaluation(tiny_suite("mood"))
    html = page(tiny_suite("mood"), evaluation, made_verdict(evaluation, missed))
    assert f"<title>tiny: {outcome}</title>" in html
    assert f'<span class="outcome {outcome}"><span aria-hidden="true">{sign}</span> {outcome}</span>' in html


def test_a_release_an_override_and_a_replaced_release_are_told() -> None:
    text = Parsed(page(release="tiny-0123")).text
    assert "Released as tiny-0123" in text
    assert "All 4 gates passed." in text
    assert "verride" not in text
    assert "local now runs tiny-4567" in Parsed(page(replaced_by="tiny-4567")).text


def test_a_broken_checkpoint_has_a_page() -> None:
    suite = tiny_suite("mood")
    defect = Defect(defect="not_finite", task="mood", what="12 of 90 weights of the head are NaN")
    evaluation = made_evaluation(suite).model_copy(update={"tasks": [], "defects": [defect]})
    verdict = made_verdict(evaluation, {("integrity", "mood"): ("fail", "mood: 12 of 90 weights are NaN")})
    text = Parsed(page(suite, evaluation, verdict)).text
    assert "✕ fail: integrity, mood mood: 12 of 90 weights are NaN" in text
    assert "not finite of mood: 12 of 90 weights of the head are NaN" in text
    assert "Tasks on the test period" not in text


def test_numbers_that_could_not_be_computed_draw_nothing() -> None:
    suite = tiny_suite("mood")
    nothing = Score(value=NAN, low=NAN, high=NAN)
    (task,) = made_evaluation(suite).tasks
    rival = task.champion.model_copy(update={"gain": nothing})
    broken = task.model_copy(update={"score": nothing, "gain": nothing, "champion": rival,
                                     "slices": [task.slices[0].model_copy(update={"gain": nothing})]})  # fmt: skip
    evaluation = made_evaluation(suite).model_copy(update={"tasks": [broken]})
    html = page(suite, evaluation)
    assert "nan" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL).lower()
    assert "not computable" in html


def test_a_first_release_and_tasks_without_extras_have_a_page() -> None:
    suite = tiny_suite("mood")
    bare = made_evaluation(suite).tasks[0].model_copy(
        update={"slices": [], "calibration": None, "champion": None, "single_task": None, "leakage": [],
                "baseline": None, "baseline_score": None}
    )  # fmt: skip
    parts = {"tasks": [bare], "champion": "", "latency": None, "size_mb": None, "feature_age": []}
    text = Parsed(page(suite, made_evaluation(suite).model_copy(update=parts), log=log_of(suite) | {"loss": []})).text
    assert "Nothing was released before" in text
    for absent in ("Slices", "Reliability", "searches for a label", "Age of the features"):
        assert absent not in text


def test_gains_over_the_champion_are_sorted_in_units_of_their_margins() -> None:
    evaluation = made_evaluation(tiny_suite("mood", "reply", "units"))
    gains = {"mood": (0.01, 0.005), "reply": (-0.002, 0.001), "units": (-0.009, 0.1)}
    tasks = [
        task.model_copy(update={"champion": task.champion.model_copy(
            update={"gain": score(gains[task.task][0], 0.001), "margin": gains[task.task][1]})})
        for task in evaluation.tasks
    ]  # fmt: skip
    assert [task.task for task, _ in by_gain(evaluation.model_copy(update={"tasks": tasks}))] == [
        "reply",
        "units",
        "mood",
    ]
    unchanged = tasks[0].champion.model_copy(update={"gain": score(-1e-7, 0.0)})
    same = evaluation.model_copy(update={"tasks": [tasks[0].model_copy(update={"champion": unchanged})]})
    assert "0[0, 0]" in Parsed(page(tiny_suite("mood"), same)).text
    assert [direction(score(value, 0.01)) for value in (-0.1, 0.0, 0.1)] == ["worse", "no clear change", "better"]


def test_differences_of_the_suites_are_named() -> None:
    before, after = tiny_suite("mood", "reply"), tiny_suite("mood", "units", max_steps=7)
    heavier = [task.model_copy(update={"weight": 2.0}) if task.name == "mood" else task for task in after.tasks]
    after = after.model_copy(update={"tasks": heavier})
    changes = {change.key: (change.before, change.after) for change in suite_changes(before, after)}
    assert changes["tasks.mood.weight"] == ("1.0", "2.0")
    assert changes["tasks.reply"] == ("present", "none")
    assert changes["training.max_steps"][1] == "7"
    assert suite_changes(before, before) == []
    text = Parsed(page(after, champion_suite=before)).text
    assert f"{len(changes)} keys of the suite differ" in text
    assert "Its suite is the same." in Parsed(page(after, champion_suite=after)).text
    assert "suite is out of reach" in Parsed(page(after)).text
