import json

import numpy as np
import pytest
import torch
from fixtures.interruption import largest_file
from fixtures.tiny_suite import tiny_checkpoint, tiny_suite, tiny_tables

from polymart.errors import CheckpointError, StorageError
from polymart.files import digest_file
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import load_checkpoint, save_checkpoint, verify_checkpoint

SUITE = tiny_suite()
NAMES = [task.name for task in SUITE.tasks]
FILES = {"model.safetensors", "config.json", "tokenizer.json", "suite.json", "tasks.json", "manifest.json"}


@pytest.fixture
def folder(tmp_path):
    save_checkpoint(tiny_checkpoint(SUITE), tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_a_round_trip_gives_equal_scores(tmp_path):
    checkpoint = tiny_checkpoint(SUITE, seed=4)
    for head in checkpoint.model.heads.values():
        torch.nn.init.normal_(head.out.weight, std=0.3)
    digest = save_checkpoint(checkpoint, tmp_path / "checkpoint")
    loaded = load_checkpoint(tmp_path / "checkpoint")
    assert loaded.digest == digest == verify_checkpoint(tmp_path / "checkpoint")
    assert loaded.suite == SUITE
    assert loaded.tasks == checkpoint.tasks
    for name, frame in tiny_tables().items():
        np.testing.assert_array_equal(Predictor(loaded).scores(name, frame), Predictor(checkpoint).scores(name, frame))


def test_the_folder_holds_safetensors_and_json_only(folder):
    assert {p.name for p in folder.iterdir()} == FILES
    for path in folder.glob("*.json"):
        json.loads(path.read_text())
    header = (folder / "model.safetensors").read_bytes()
    assert json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])


def test_equal_content_has_an_equal_digest(tmp_path):
    digests = [save_checkpoint(tiny_checkpoint(SUITE, seed), tmp_path / str(i)) for i, seed in enumerate((1, 1, 2))]
    assert digests[0] == digests[1] != digests[2]


def test_a_checkpoint_without_manifest_is_torn(folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint is not a whole checkpoint: manifest\.json is absent"):
        load_checkpoint(folder)


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
@pytest.mark.parametrize("harm", ["removed", "cut", "one bit"])
def test_a_harmed_file_is_named(folder, name, harm):
    content = (folder / name).read_bytes()
    expected = digest_file(folder / name)
    if harm == "removed":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content[:-7] if harm == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    assert str(folder / name) in caught.value.message
    assert expected in caught.value.message
    assert ("found absent" in caught.value.message) == (harm == "removed")


@pytest.mark.parametrize("name", ["tokenizer_config.json", "items/goods.parquet"])
def test_a_file_that_the_manifest_does_not_name_is_refused(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    with pytest.raises(CheckpointError, match=f"does not name: {name}"):
        load_checkpoint(folder)


def test_a_link_to_a_folder_elsewhere_is_refused(folder, tmp_path):
    (folder / "more").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(CheckpointError, match="does not name: more"):
        load_checkpoint(folder)


def test_weights_of_another_suite_are_refused(folder, tmp_path):
    other = tmp_path / "other"
    save_checkpoint(tiny_checkpoint(tiny_suite("mood")), other)
    (folder / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["model.safetensors"] = digest_file(folder / "model.safetensors")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="do not fit its suite"):
        load_checkpoint(folder)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"files": [1]}'])
def test_a_manifest_that_is_none_is_refused(folder, content):
    (folder / "manifest.json").write_text(content)
    with pytest.raises((CheckpointError, StorageError), match=r"manifest\.json"):
        load_checkpoint(folder)


def test_a_new_checkpoint_replaces_the_old_one_whole(folder):
    (folder / "left_over.txt").write_text("x")
    save_checkpoint(tiny_checkpoint(tiny_suite("mood")), folder)
    assert {p.name for p in folder.iterdir()} == FILES
    assert [task.name for task in load_checkpoint(folder).suite.tasks] == ["mood"]


@pytest.mark.parametrize("size", [20_000, 1_000])
def test_a_disk_that_refuses_the_weights_is_a_storage_error_and_keeps_the_old_checkpoint(folder, size):
    before = verify_checkpoint(folder)
    with pytest.raises(StorageError, match="cannot write"), largest_file(size):
        save_checkpoint(tiny_checkpoint(SUITE, seed=9), folder)
    assert verify_checkpoint(folder) == before
    assert [p.name for p in folder.parent.iterdir()] == ["checkpoint"]
