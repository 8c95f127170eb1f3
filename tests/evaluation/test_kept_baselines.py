"""A classical baseline is fitted once for all candidates, and anew where anything that it reads changes."""

import pytest
from fixtures.tiny_suite import tiny_checkpoint, tiny_suite, tiny_tables, write_tiny_examples

from polymart.config import Slice
from polymart.evaluation import evaluate_task, kept
from polymart.evaluation.evaluate import evaluate_suite
from polymart.training.checkpoint import save_checkpoint

SUITE = tiny_suite()
FITTED = {"reply", "units", "mood"}


@pytest.fixture(autouse=True, scope="module")
def one_code_version():
    """Nobody's edit between two runs of a test shall count as other code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "library_version", lambda *_: "sha256:this")
        yield


@pytest.fixture(scope="module")
def shop(one_code_version, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_tiny_examples(folder / "examples")
    for seed in (0, 1):
        save_checkpoint(tiny_checkpoint(SUITE, seed), folder / f"checkpoint-{seed}")
    evaluate(folder, folder / "kept")
    return folder


@pytest.fixture
def fits(monkeypatch):
    """Grows by the task of every fit; the fit itself is the real one."""
    fitted, real = [], evaluate_task.classical_scores

    def classical_scores(task, *rest):
        fitted.append(task.name)
        return real(task, *rest)

    monkeypatch.setattr(evaluate_task, "classical_scores", classical_scores)
    return fitted


def evaluate(shop, folder, suite=SUITE, seed=0, examples="examples"):
    found = evaluate_suite(shop / examples, shop / f"checkpoint-{seed}", suite, shop / "predictions", kept=folder)
    return {task.task: task for task in found.tasks}


def changed(**update):
    return SUITE.model_copy(update={"tasks": [task.model_copy(update=update) for task in SUITE.tasks]})


def test_a_second_candidate_reads_what_the_first_one_fitted(shop, fits):
    later = evaluate(shop, shop / "kept", seed=1)
    assert set(fits) == {"next_item"}, "its kind has no classical baseline, which is found out at once"
    fresh = evaluate(shop, None, seed=1)
    assert set(fits) == FITTED | {"next_item"}
    assert {name: task.baseline_score for name, task in later.items()} == {
        name: task.baseline_score for name, task in fresh.items()
    }
    assert {later[name].baseline for name in FITTED} == {"logistic_regression", "mean13", "tfidf_logistic_regression"}


@pytest.mark.parametrize("update", [{"margin": 9.0}, {"bar": 0.1}, {"slices": [Slice(name="by", column="channel")]}])
def test_gates_and_slices_change_no_baseline(shop, fits, update):
    evaluate(shop, shop / "kept", changed(**update))
    assert not FITTED & set(fits)


def test_only_changed_examples_are_fitted_again(shop, fits):
    tables = tiny_tables()
    write_tiny_examples(shop / "other", tables | {"mood": tables["mood"].iloc[4:]})
    evaluate(shop, shop / "kept", examples="other")
    assert FITTED & set(fits) == {"mood"}


def test_another_seed_or_library_is_fitted_again(shop, fits, monkeypatch):
    evaluate(shop, shop / "kept", SUITE.model_copy(update={"seed": 1}))
    assert set(fits) >= FITTED
    fits.clear()
    monkeypatch.setattr(kept, "version", lambda name: f"next {name}")
    evaluate(shop, shop / "kept")
    assert set(fits) >= FITTED
