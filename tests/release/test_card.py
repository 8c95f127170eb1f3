"""The model card says what the evaluation says, in both forms, with n, interval, origin, override and assumptions."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fixtures.evaluations import made_evaluation, made_verdict
from fixtures.registered import VERSIONS, make_release
from fixtures.tiny_suite import tiny_suite, write_tiny_examples

from polymart.config import Suite
from polymart.config.rates import Rates
from polymart.data.example_index import ExamplesIndex, read_examples_index
from polymart.evaluation.records import Defect
from polymart.release.card import WORST_GROUPS, Card, render_card
from polymart.release.cost import training_cost

HOSTILE = "<script>alert(1)</script> | a\nline"
LOG = {"seconds": 1800.0, "cpu_seconds": 3600.0, "gpu_seconds": 0.0}


@pytest.fixture(scope="module")
def suite() -> Suite:
    return tiny_suite("mood", "reply")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> ExamplesIndex:
    return read_examples_index(write_tiny_examples(tmp_path_factory.mktemp("examples")))


def card(suite: Suite, examples: ExamplesIndex, *, log=LOG, rates=None, override="", **changes) -> Card:
    evaluation = made_evaluation(suite).model_copy(update=changes)
    failing = {("champion", "mood"): ("fail", f"mood fell. {HOSTILE}")} if override else {}
    return render_card(
        make_release(suite, checkpoint="a", override=override), evaluation,
        made_verdict(evaluation, failing, override), suite, examples=examples,
        cost=training_cost(log, rates or Rates()),
    )  # fmt: skip


def words(html: str) -> str:
    """The text of a page, white space made even."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL).split())


def test_both_forms_tell_numbers_with_intervals_beside_every_rival(suite, examples):
    made, task = card(suite, examples), made_evaluation(suite).tasks[0]
    for score in (task.score, task.floor_score, task.baseline_score, task.champion.score, task.single_task.score):
        shown = f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"
        assert shown in made.markdown
        assert shown in words(made.html)
    table = examples.tasks["mood"]
    for fact in (table.digest, table.licence, table.data_origin, VERSIONS["code_commit"], "temperature", "1.31"):
        assert fact in made.markdown
        assert fact in words(made.html)
    assert "override" not in made.markdown.lower()
    assert "All 4 gates passed." in made.markdown


def test_an_override_and_the_failed_gate_stand_in_plain_sight(suite, examples):
    made = card(suite, examples, override="Ada: the old model is broken")
    first_screen = made.markdown.partition("## Tasks")[0]
    assert "**Verdict: fail.**" in first_screen
    assert "**Override:** Ada: the old model is broken. The release did not pass" in first_screen
    assert "| champion | mood | fail | mood fell." in first_screen
    assert "1 of 4 gates did not pass:" in first_screen
    assert "Override: Ada: the old model is broken. The release did not pass" in words(made.html)


def test_the_worst_groups_come_first_and_few_are_shown(suite, examples):
    made = card(suite, examples)
    rows = [
        line.split(" | ") for line in made.markdown.splitlines() if re.match(r"\| mood \| (tenure|words|dep)", line)
    ]
    gains = [float(row[4].split()[0]) for row in rows]
    (mood,) = (task for task in made_evaluation(suite).tasks if task.task == "mood")
    worst = sorted(group.gain.value for group in mood.slices)[:WORST_GROUPS]
    assert gains == [round(gain, 3) for gain in worst]


def test_the_estimate_states_its_assumptions_and_follows_the_settings(suite, examples, monkeypatch):
    assert "Carbon, an estimate: 4.8 g CO2e = (3600 core s × 10 W + 0 GPU s × 500 W) / 3,600,000 × 480 g/kWh" in (
        card(suite, examples).markdown
    )
    monkeypatch.setenv("POLYMART_GRAMS_PER_KWH", "50")
    monkeypatch.setenv("POLYMART_PRICE_PER_CORE_HOUR", "0.2")
    monkeypatch.setenv("POLYMART_CURRENCY", "EUR")
    made = card(suite, examples, rates=Rates())
    assert "Carbon, an estimate: 0.5 g" in made.markdown
    assert "Price, an estimate: 0.2 EUR = (3600 core s × 0.2 + 0 GPU s × 3) EUR/h / 3600" in words(made.html)


@pytest.mark.parametrize("log", [{"seconds": 9.0}, {"seconds": 9.0, "cpu_seconds": 0.0, "gpu_seconds": 0.0}])
def test_what_was_not_measured_has_no_figure(suite, examples, log):
    made = card(suite, examples, log=log)
    for text in (made.markdown, words(made.html)):
        assert "Not measured." in text
        assert "estimate" not in text


def test_gpu_time_is_counted():
    cost = training_cost({"seconds": 3600.0, "cpu_seconds": 0.0, "gpu_seconds": 7200.0}, Rates())
    assert cost is not None
    assert (cost.kilowatt_hours, cost.grams, cost.price) == (1.0, 480.0, 6.0)


def test_names_break_no_table_and_start_no_script(suite, examples):
    made = card(suite, examples, override="Ada: it | must", skipped={"intent": HOSTILE})
    assert "<script" not in made.markdown
    assert "- intent: left out. &lt;script>alert(1)&lt;/script> \\| a line" in made.markdown
    rows = [line for line in made.markdown.splitlines() if line.startswith("| champion |")]
    assert [len(re.split(r"(?<!\\)\|", row)) for row in rows] == [7]
    seen = HTMLParser()
    seen.handle_starttag = lambda tag, attrs: (tags.add(tag), names.update(name for name, _ in attrs))  # type: ignore[method-assign]
    tags, names = set(), set()
    seen.feed(made.html)
    assert tags.isdisjoint({"script", "img", "link", "iframe"})
    assert names.isdisjoint({"src", "href", "onclick"})


def test_limits_and_defects_are_told(suite, examples):
    defect = Defect(defect="label_map", task="mood", what="the label map of mood differs")
    made = card(suite, examples, defects=[defect], champion="", override="Ada: because")
    assert "**Defect:** the label map of mood differs" in made.markdown
    assert "No release came before" in made.markdown
    assert "Texts longer than" in words(made.html)


def test_who_does_not_share_all_layers_is_named(suite, examples):
    tasks = [task.model_copy(update={"own_layers": 2 if task.name == "mood" else 0}) for task in suite.tasks]
    told = card(suite.model_copy(update={"tasks": tasks}), examples)
    for text in (told.markdown, words(told.html)):
        assert "read through top layers of their own are mood (2)." in text
    assert "layers of their own" not in card(suite, examples).markdown


def test_a_candidate_without_slices_calibration_or_rivals_has_a_card(suite, examples):
    bare = [
        task.model_copy(update={"slices": [], "calibration": None, "champion": None, "single_task": None,
                                "baseline": None, "baseline_score": None})
        for task in made_evaluation(suite).tasks
    ]  # fmt: skip
    made = card(suite, examples, tasks=bare)
    assert "Slices" not in made.markdown
    assert "Calibration" not in made.html
    assert "| none | none |" in made.markdown


def test_it_is_written_as_two_files(suite, examples, tmp_path: Path):
    made = card(suite, examples)
    made.write(tmp_path / "card")
    assert {p.name: p.read_text() for p in (tmp_path / "card").iterdir()} == {
        "model_card.md": made.markdown,
        "model_card.html": made.html,
    }


def test_an_evaluation_without_any_task_has_a_card(suite, examples):
    assert "## Tasks" in card(suite, examples, tasks=[], override="Ada: because").markdown
