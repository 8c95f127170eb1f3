import numpy as np
import pandas as pd
import pytest
from fixtures.tiny_suite import tiny_checkpoint, tiny_suite, write_tiny_examples
from safetensors.torch import load_file, save_file

from polymart.evaluation.evaluate import evaluate_suite
from polymart.evaluation.integrity import find_defects, open_checkpoint
from polymart.evaluation.latency import NUM_REQUESTS, size_mb
from polymart.files import digest_file, read_json, write_json
from polymart.gates import judge
from polymart.training.checkpoint import save_checkpoint

SUITE = tiny_suite()
WEIGHTS = "model.safetensors"


@pytest.fixture
def folders(tmp_path):
    """A checkpoint and its examples."""
    save_checkpoint(tiny_checkpoint(SUITE), tmp_path / "checkpoint")
    return tmp_path / "checkpoint", write_tiny_examples(tmp_path / "examples")


def reseal(checkpoint) -> None:
    """Make the manifest agree with what the folder holds now."""
    manifest = read_json(checkpoint / "manifest.json")
    manifest["files"] = {name: digest_file(checkpoint / name) for name in manifest["files"]}
    write_json(checkpoint / "manifest.json", manifest)


def change_weights(checkpoint, change) -> None:
    save_file(change(load_file(checkpoint / WEIGHTS)), checkpoint / WEIGHTS)
    reseal(checkpoint)


def defects(folders, suite=SUITE) -> list[tuple[str, str]]:
    return [(defect.defect, defect.task) for defect in find_defects(*folders, suite)]


def test_a_whole_checkpoint_has_no_defect(folders):
    predictor, found = open_checkpoint(*folders, SUITE)
    assert found == []
    assert predictor is not None


def test_a_changed_file_is_told_with_its_name(folders):
    (folders[0] / "tasks.json").write_text("{}")
    (defect,) = find_defects(*folders, SUITE)
    assert defect.defect == "manifest"
    assert "tasks.json must have sha256:" in defect.what


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("tensor", "task"), [("heads.mood.", "mood"), ("encoder.", "")])
def test_weights_that_are_no_numbers_are_told_with_their_head(folders, value, tensor, task):
    def spoil(weights):
        name = next(name for name in sorted(weights) if name.startswith(tensor) and weights[name].is_floating_point())
        weights[name].flatten()[0] = value
        return weights

    change_weights(folders[0], spoil)
    (defect,) = find_defects(*folders, SUITE)
    assert (defect.defect, defect.task) == ("not_finite", task)
    assert "(1 of " in defect.what


def test_a_foreign_label_map_is_told_with_the_first_difference(folders):
    states = read_json(folders[0] / "tasks.json")
    states["mood"]["labels"] = ["bad", "meh", "good"]
    states["next_item"]["labels"] = states["next_item"]["labels"][:-1]
    write_json(folders[0] / "tasks.json", states)
    reseal(folders[0])
    found = {defect.task: defect for defect in find_defects(*folders, SUITE)}
    assert {defect.defect for defect in found.values()} == {"label_map"}
    assert (
        "position 1 of its labels is 'meh' in the checkpoint and 'good' in the examples; 2 of 3" in found["mood"].what
    )
    assert found["next_item"].what == "the checkpoint knows 3 labels, its examples have 4"


def test_a_head_that_is_missing_is_told(folders):
    change_weights(folders[0], lambda weights: {n: w for n, w in weights.items() if not n.startswith("heads.reply.")})
    assert defects(folders) == [("missing_head", "reply")]


def test_a_task_that_was_never_learned_is_told(tmp_path):
    save_checkpoint(tiny_checkpoint(tiny_suite("mood")), tmp_path / "checkpoint")
    folders = (tmp_path / "checkpoint", write_tiny_examples(tmp_path / "examples"))
    assert defects(folders) == [("missing_head", name) for name in ("next_item", "reply", "units")]
    assert defects(folders, tiny_suite("mood")) == []


def test_files_that_do_not_fit_together_are_a_defect_too(folders):
    change_weights(
        folders[0], lambda weights: {name: tensor for name, tensor in weights.items() if "encoder" not in name}
    )
    predictor, (defect,) = open_checkpoint(*folders, SUITE)
    assert predictor is None
    assert defect.defect == "manifest"
    assert "do not fit its suite" in defect.what


def test_a_defect_ends_in_a_verdict_that_names_it(folders, tmp_path):
    change_weights(folders[0], lambda weights: {name: tensor * np.nan for name, tensor in weights.items()})
    evaluation = evaluate_suite(folders[1], folders[0], SUITE, tmp_path / "predictions")
    assert evaluation.tasks == []
    verdict = judge(evaluation, SUITE)
    assert verdict.overall == "fail"
    assert {gate.gate for gate in verdict.gates if gate.outcome == "fail"} == {"integrity"}
    assert (tmp_path / "predictions").is_dir()


def test_requests_are_timed_and_files_weighed(folders, tmp_path):
    evaluation = evaluate_suite(folders[1], folders[0], SUITE, tmp_path / "predictions")
    assert evaluation.latency.num_requests == NUM_REQUESTS // len(evaluation.tasks)
    assert evaluation.latency.task in {task.task for task in evaluation.tasks}
    assert 0 < evaluation.latency.p50_ms <= evaluation.latency.p99_ms
    assert evaluation.size_mb == size_mb(folders[0]) > 0.1
    assert evaluation.size_mb * 1e6 == sum(path.stat().st_size for path in folders[0].iterdir())
    assert pd.notna(evaluation.latency.p99_ms)
