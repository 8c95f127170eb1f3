"""Whole trainings with an adapter: they learn, resume bit for bit, and heed the switches of the encoder."""

import numpy as np
import pytest
import torch
from fixtures.interruption import Stop, stop_at
from fixtures.tiny_suite import tiny_suite, tiny_tables
from safetensors.torch import load_file

from polymart.config import Adapter
from polymart.model.predictor import Predictor
from polymart.training import loop
from polymart.training.checkpoint import load_checkpoint
from polymart.training.loop import train_suite


@pytest.fixture(autouse=True)
def one_code_version(monkeypatch):
    """Nobody's edit between two runs of a test shall count as other code."""
    monkeypatch.setattr(loop, "code_version", lambda: "sha256:this")


def suite_of(method: str, **training):
    suite = tiny_suite("mood", "units", max_steps=24, evaluate_every=8, checkpoint_every=4, micro_batches=2, **training)
    encoder = suite.encoder.model_copy(update={"adapter": Adapter(method=method, rank=4)})
    return suite.model_copy(update={"encoder": encoder})


@pytest.mark.parametrize("method", ["lora", "adalora", "prefix"])
def test_an_adapter_learns_and_a_stopped_training_goes_on_exactly(shop, tmp_path, method):
    suite, folders = suite_of(method, patience=9), (shop / "examples", shop / "encoder")
    _, whole = train_suite(*folders, suite, tmp_path / "whole")
    assert whole.validation[-1]["mood"] < whole.validation[0]["mood"]
    with pytest.raises(Stop):
        train_suite(*folders, suite, tmp_path / "cut", stop_at(14), state=tmp_path / "state")
    _, resumed = train_suite(*folders, suite, tmp_path / "cut", state=tmp_path / "state")
    assert (resumed.loss, resumed.validation) == (whole.loss, whole.validation)
    found, expected = (load_file(tmp_path / name / "model.safetensors") for name in ("cut", "whole"))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    pretrained = load_file(shop / "encoder" / "model.safetensors")
    kept = {n.removeprefix("encoder.transformer.").replace(".base_layer", ""): t for n, t in found.items()}
    assert [name for name, tensor in pretrained.items() if not torch.equal(kept[name], tensor)] == []


@pytest.mark.parametrize("method", ["lora", "adalora", "prefix"])
def test_a_served_checkpoint_is_merged_and_answers_alike(shop, tmp_path, method):
    train_suite(shop / "examples", shop / "encoder", suite_of(method), tmp_path / "out")
    served, unmerged = Predictor.load(tmp_path / "out"), Predictor(load_checkpoint(tmp_path / "out"))
    assert any("lora" in name for name in unmerged.model.state_dict()) == (method != "prefix")
    assert not any("lora" in name for name in served.model.state_dict())
    rows = tiny_tables()["mood"]
    np.testing.assert_allclose(served.scores("mood", rows), unmerged.scores("mood", rows), rtol=1e-3, atol=1e-5)


def test_recomputed_activations_change_no_loss(shop, tmp_path):
    folders = (shop / "examples", shop / "encoder")
    _, plain = train_suite(*folders, suite_of("lora"), tmp_path / "plain")
    _, saving = train_suite(*folders, suite_of("lora", gradient_checkpointing=True), tmp_path / "saving")
    for first, second in zip(plain.loss, saving.loss, strict=True):
        assert first == pytest.approx(second, rel=1e-4)


def test_the_compiled_encoder_trains(shop, tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda call, **_: compiled.append(call) or call)
    train_suite(shop / "examples", shop / "encoder", suite_of("none", compile=True), tmp_path / "out")
    assert len(compiled) == 1
