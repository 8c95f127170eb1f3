import math

import pytest
import yaml
from fixtures.tiny_encoder import write_tiny_encoder
from fixtures.tiny_suite import tiny_suite, write_tiny_examples

from polymart import tuning
from polymart.config import Suite, dump_suite, load_suite
from polymart.errors import TrainingError
from polymart.training import loop
from polymart.tuning import SPREAD, apply_factors, score, tune_suite

STEPS = 4


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_tiny_examples(tmp_path_factory.mktemp("examples")), write_tiny_encoder(tmp_path_factory.mktemp("enc"))


@pytest.fixture
def suite() -> Suite:
    return tiny_suite("mood", "reply")


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned") / "search"
    return tune_suite(*world, tiny_suite("mood", "reply"), out, trials=3, steps=STEPS), out


def test_the_first_trial_is_the_suite_as_written_and_the_others_stay_within_the_spread(finished):
    (_, record), _ = finished
    control, *others = record.trials
    assert control.factors == {}
    assert set(others[0].factors) == {"weight.mood", "weight.reply", "learning_rate", "head_learning_rate"}
    assert all(1 / SPREAD <= f <= SPREAD for t in others for f in t.factors.values())
    assert others[0].factors != others[1].factors


def test_the_tuned_suite_carries_the_factors_of_the_best_trial(finished, suite):
    (best, record), _ = finished
    chosen = min(record.trials, key=lambda trial: trial.score)
    assert record.best == chosen.number
    assert best == apply_factors(suite, chosen.factors)
    assert record.gain() == pytest.approx(1 - math.exp(chosen.score - record.trials[0].score))


def test_a_search_cut_off_inside_a_trial_draws_and_finds_what_the_whole_one_does(
    finished, world, suite, tmp_path, monkeypatch
):
    real, calls = tuning.train_suite, []

    def cut_off(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(tuning, "train_suite", cut_off)
        with pytest.raises(KeyboardInterrupt):
            tune_suite(*world, suite, tmp_path / "search", trials=3, steps=STEPS)
    best, record = tune_suite(*world, suite, tmp_path / "search", trials=3, steps=STEPS)
    whole, (expected, expected_record) = record.trials, finished[0]
    assert best == expected
    assert [(t.factors, t.losses) for t in whole] == [(t.factors, t.losses) for t in expected_record.trials]


def test_a_search_cut_off_inside_a_trial_goes_on_inside_it(world, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "code_version", lambda: "sha256:this")  # nobody's edit counts as other code meanwhile
    suite = tiny_suite("mood", "reply", checkpoint_every=1)
    whole = tune_suite(*world, suite, tmp_path / "whole", trials=2, steps=STEPS)
    told: list[tuple[int, int]] = []

    def cut_off(trial, step, line):
        told.append((trial, step))
        if (trial, step) == (1, 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_suite(*world, suite, tmp_path / "cut", trials=2, steps=STEPS, report=cut_off)
    told.clear()
    report = lambda trial, step, line: told.append((trial, step))  # noqa: E731
    found = tune_suite(*world, suite, tmp_path / "cut", trials=2, steps=STEPS, report=report)
    assert found[0] == whole[0]
    assert [(t.factors, t.losses) for t in found[1].trials] == [(t.factors, t.losses) for t in whole[1].trials]
    assert told == [(1, 3), (1, 4)], "steps 1 and 2 were done before"
    assert not (tmp_path / "cut" / "state").exists()


def test_a_finished_search_trains_nothing_again_and_can_be_extended(finished, world, suite, monkeypatch):
    (_, record), out = finished
    with monkeypatch.context() as patched:
        patched.setattr(tuning, "train_suite", None)
        assert tune_suite(*world, suite, out, trials=3, steps=STEPS)[1] == record
    extended = tune_suite(*world, suite, out, trials=4, steps=STEPS)[1]
    assert extended.trials[:3] == record.trials
    assert len(extended.trials) == 4


def test_a_folder_of_another_suite_is_refused(finished, world):
    with pytest.raises(TrainingError, match="another suite"):
        tune_suite(*world, tiny_suite("mood"), finished[1], trials=3, steps=STEPS)


def test_a_trial_that_diverges_is_recorded_and_never_best(world, suite, tmp_path, monkeypatch):
    real = tuning.train_suite

    def diverges(examples, encoder, tried, *rest, **options):
        if tried.training.learning_rate != suite.training.learning_rate:
            raise TrainingError("loss of task 'mood' became nan at step 2", remedy="")
        return real(examples, encoder, tried, *rest, **options)

    monkeypatch.setattr(tuning, "train_suite", diverges)
    best, record = tune_suite(*world, suite, tmp_path / "search", trials=2, steps=STEPS)
    assert best == suite
    assert record.trials[1].error.startswith("loss of task 'mood' became nan")
    assert record.trials[1].score is None
    assert {path.name for path in (tmp_path / "search").iterdir()} == {"journal.log", "tuning.json"}


def test_no_task_counts_more_for_its_scale():
    assert score({"a": 0.5, "b": 2.0}) - score({"a": 1.0, "b": 2.0}) == pytest.approx(math.log(0.5) / 2)
    assert score({"a": 0.5, "b": 200.0}) - score({"a": 1.0, "b": 200.0}) == pytest.approx(math.log(0.5) / 2)


def test_a_dumped_suite_reads_back_as_itself(suite, tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(dump_suite(suite))
    assert load_suite(path) == suite
    assert "temperature" not in yaml.safe_load(path.read_text()).get("training", {})
