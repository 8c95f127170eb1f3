import numpy as np
import pytest
from fixtures.tiny_suite import tiny_checkpoint, tiny_suite, tiny_tables, write_tiny_examples

from polymart.evaluation.evaluate import evaluate_suite
from polymart.evaluation.retrieval import RETRIEVAL_METRICS
from polymart.evaluation.rivals import Champion
from polymart.evaluation.scoring import _aligned, _moved, rival_scores
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import save_checkpoint

SUITE = tiny_suite()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Examples, a candidate, a champion of two of its tasks, and a model of one task alone."""
    root = tmp_path_factory.mktemp("rivals")
    save_checkpoint(tiny_checkpoint(SUITE), root / "candidate")
    save_checkpoint(tiny_checkpoint(tiny_suite("reply", "units"), seed=1), root / "champion")
    save_checkpoint(tiny_checkpoint(tiny_suite("mood"), seed=2), root / "baselines" / "mood")
    write_tiny_examples(root / "examples")
    return root


def evaluated(root, **rivals):
    return evaluate_suite(root / "examples", root / "candidate", SUITE, root / "predictions", **rivals)


def test_rivals_are_compared_on_the_same_rows(folders):
    champion = Champion("tiny-1", folders / "champion")
    evaluation = evaluated(folders, champion=champion, baselines=folders / "baselines")
    assert evaluation.champion == "tiny-1"
    tasks = {task.task: task for task in evaluation.tasks}
    assert [name for name, task in tasks.items() if task.champion] == ["reply", "units"]
    assert [name for name, task in tasks.items() if task.single_task] == ["mood"]
    for name in ("reply", "units"):
        task, rival = tasks[name], tasks[name].champion
        sign = 1 if task.greater_is_better else -1
        assert rival.name == "tiny-1"
        assert rival.gain.value == pytest.approx(sign * (task.score.value - rival.score.value))
        assert rival.gain.low <= rival.gain_lower_bound <= rival.gain.high
        theirs = Predictor.load(folders / "champion")
        assert rival.checkpoint == theirs.checkpoint.digest
    assert tasks["reply"].champion.margin == 0.002
    assert tasks["units"].champion.margin == pytest.approx(0.01 * tasks["units"].champion.score.value)
    assert tasks["mood"].single_task.name == "single_task"


def test_a_model_against_itself_gains_nothing(folders):
    evaluation = evaluated(folders, champion=Champion("same", folders / "candidate"))
    for task in evaluation.tasks:
        assert (task.champion.gain.low, task.champion.gain.high, task.champion.gain_lower_bound) == (0, 0, 0)


def test_every_pass_is_of_one_split(folders, monkeypatch):
    """A score's last digits depend on its batch: only so is a model against itself told apart by nothing."""
    asked, scores = [], Predictor.scores

    def recorded(predictor, task, frame, *args, **kwargs):
        asked.append((task, frozenset(frame["split"])))
        return scores(predictor, task, frame, *args, **kwargs)

    monkeypatch.setattr(Predictor, "scores", recorded)
    evaluated(folders, champion=Champion("same", folders / "candidate"))
    assert {task for task, _ in asked} >= {"reply", "units", "mood"}
    assert {splits for _, splits in asked} == {frozenset({"val"}), frozenset({"test"})}


def test_the_suite_sets_the_margin(folders):
    content = SUITE.model_dump(mode="json")
    content["tasks"][1]["regression_margin"] = 0.07
    suite = type(SUITE).model_validate(content, strict=False)
    champion = Champion("tiny-1", folders / "champion")
    found = evaluate_suite(
        folders / "examples", folders / "candidate", suite, folders / "predictions", champion=champion
    )
    assert next(task for task in found.tasks if task.task == "reply").champion.margin == 0.07


def test_labels_that_only_one_model_knows_are_matched_by_name():
    scores = np.array([[0.1, 0.2, 0.7]])
    np.testing.assert_array_equal(_aligned(scores, ["a", "b", "c"], ["c", "new", "a"]), [[0.7, 0.0, 0.1]])


def test_items_are_matched_by_id_and_an_unknown_one_is_never_right():
    theirs, ours = np.array(["tea", "milk", "gone"]), np.array(["milk", "new", "tea"])
    ranked = _moved(np.array([[2, 0, 1]]), theirs, ours)
    np.testing.assert_array_equal(ranked, [[3, 2, 0]])
    assert RETRIEVAL_METRICS["mrr"].value(np.array([[2]]), ranked) == 1 / 2


def test_a_task_of_another_kind_is_no_rival(folders):
    candidate, champion = (Predictor.load(folders / name) for name in ("candidate", "champion"))
    test = tiny_tables()["reply"].query("split == 'test'")
    task = SUITE.task("reply")
    assert rival_scores(champion, candidate, task, test) is not None
    assert rival_scores(champion, candidate, task.model_copy(update={"kind": "count"}), test) is None
    assert rival_scores(champion, candidate, task.model_copy(update={"name": "mood"}), test) is None
