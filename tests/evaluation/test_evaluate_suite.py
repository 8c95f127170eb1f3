import numpy as np
import pandas as pd
import pytest
from fixtures.tiny_suite import LABELS, tiny_checkpoint, tiny_suite, tiny_tables, write_tiny_examples

from polymart.errors import DataError
from polymart.evaluation.evaluate import evaluate_suite
from polymart.evaluation.metrics import METRICS, METRICS_OF_KIND
from polymart.gates import judge, worst
from polymart.model.predictor import Predictor
from polymart.tasks import kind_of
from polymart.training.checkpoint import save_checkpoint

SUITE = tiny_suite()
NAMES = [task.name for task in SUITE.tasks]
COLUMNS = ["example_id", "cluster", "event_timestamp", "split", "label", "prediction", "score"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    save_checkpoint(tiny_checkpoint(SUITE), folder)
    return folder


@pytest.fixture(scope="module")
def evaluated(checkpoint, tmp_path_factory):
    examples, predictions, seen = tmp_path_factory.mktemp("x") / "examples", tmp_path_factory.mktemp("p") / "new", []
    write_tiny_examples(examples)
    return evaluate_suite(examples, checkpoint, SUITE, predictions, lambda *row: seen.append(row)), predictions, seen


@pytest.mark.parametrize("name", NAMES)
def test_predictions_keep_their_contract(evaluated, name):
    table = pd.read_parquet(evaluated[1] / f"{name}.parquet")
    source = tiny_tables()[name].query("split != 'train'").reset_index(drop=True)
    assert list(table.columns) == COLUMNS
    assert table.example_id.tolist() == source.example_id.tolist()
    assert table.cluster.tolist() == source[SUITE.task(name).cluster].astype(str).tolist()
    assert set(table.split) == {"val", "test"}
    assert str(table.event_timestamp.dtype) == "datetime64[us]"
    assert table.event_timestamp.tolist() == source.event_timestamp.tolist()
    assert table.label.map(str).tolist() == source.label.map(str).tolist()
    assert table.score.dtype == np.float32
    if LABELS[name]:
        assert set(table.prediction) <= set(LABELS[name])
    else:
        assert table.prediction.between(0, 1 if name == "reply" else np.inf).all()


@pytest.mark.parametrize("name", NAMES)
def test_values_are_the_metric_of_the_test_rows(evaluated, checkpoint, name):
    found = next(task for task in evaluated[0].tasks if task.task == name)
    task, test = SUITE.task(name), tiny_tables()[name].query("split == 'test'")
    scores = Predictor.load(checkpoint).scores(name, test)
    label = kind_of(task.kind).encode_labels(test.label, LABELS[name], name)
    assert found.score.value == pytest.approx(METRICS[task.metric].value(label, scores), abs=1e-6)
    assert found.score.low <= found.score.value <= found.score.high
    sign = 1 if found.greater_is_better else -1
    assert found.gain.value == pytest.approx(sign * (found.score.value - found.floor_score.value))
    assert found.gain.low <= found.gain_lower_bound <= found.gain.high
    assert (found.num_examples, found.num_clusters) == (40, test[task.cluster].nunique())
    assert found.data_origin == "synthetic"
    assert set(found.others) == set(METRICS_OF_KIND[task.kind]) - {task.metric}
    assert (found.baseline is None) == (found.baseline_score is None) == (name == "next_item")


def test_progress_counts_every_scored_row(evaluated):
    for name in NAMES:
        rows = [(done, total) for task, done, total in evaluated[2] if task == name]
        assert rows[-1] == (80, 80)
        assert [done for done, _ in rows] == sorted(done for done, _ in rows)


def test_the_whole_can_be_judged(evaluated, checkpoint):
    evaluation, _, _ = evaluated
    assert [task.task for task in evaluation.tasks] == NAMES
    assert evaluation.checkpoint == Predictor.load(checkpoint).checkpoint.digest
    assert [gate.task for gate in judge(evaluation, SUITE).gates if gate.gate == "floor"] == NAMES


def test_the_same_call_gives_the_same_numbers(evaluated, checkpoint, tmp_path):
    again = evaluate_suite(write_tiny_examples(tmp_path / "examples"), checkpoint, SUITE, tmp_path / "predictions")
    measured_time = {"latency": None}
    assert again.model_copy(update=measured_time) == evaluated[0].model_copy(update=measured_time)


def test_shuffled_labels_are_noticed(checkpoint, tmp_path):
    """A model that knew the labels passes; the same model fails when one task's labels are shuffled."""
    tables = tiny_tables()
    suite = tiny_suite("reply")
    save_checkpoint(tiny_checkpoint(suite), tmp_path / "checkpoint")
    truth = Predictor.load(tmp_path / "checkpoint").scores("reply", tables["reply"])[:, 0]
    known = tables["reply"].assign(label=(truth > np.median(truth)).astype(int))
    mixed = known.assign(label=np.random.default_rng(0).permutation(known.label))
    outcomes = []
    for name, frame in (("known", known), ("mixed", mixed)):
        examples = write_tiny_examples(tmp_path / name, {"reply": frame})
        evaluation = evaluate_suite(examples, tmp_path / "checkpoint", suite, tmp_path / f"p_{name}")
        outcomes.append(worst(gate.outcome for gate in judge(evaluation, suite).gates if gate.gate == "floor"))
    assert outcomes[0] == "pass"
    assert outcomes[1] != "pass"


def test_a_task_without_test_rows_is_named(tmp_path):
    frame = tiny_tables()["mood"].query("split != 'test'")
    save_checkpoint(tiny_checkpoint(tiny_suite("mood")), tmp_path / "checkpoint")
    examples = write_tiny_examples(tmp_path / "examples", {"mood": frame})
    with pytest.raises(DataError, match="'mood' has no test rows among 120"):
        evaluate_suite(examples, tmp_path / "checkpoint", SUITE, tmp_path / "predictions")


def test_a_torn_checkpoint_is_not_scored(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    examples = write_tiny_examples(tmp_path / "x")
    evaluation = evaluate_suite(examples, tmp_path / "checkpoint", SUITE, tmp_path / "p")
    assert (evaluation.tasks, evaluation.checkpoint) == ([], "")
    assert [defect.defect for defect in evaluation.defects] == ["manifest"]
    assert "manifest.json is absent" in evaluation.defects[0].what
