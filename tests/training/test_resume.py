"""A training that is killed goes on as if nothing had happened."""

import json
import multiprocessing
import random
import time
from pathlib import Path

import pytest
import torch
from fixtures.interruption import Stop, stop_at
from fixtures.tiny_suite import tiny_suite

from polymart.training import loop
from polymart.training.loop import train_suite
from polymart.training.state import load_state, save_state

FORK = multiprocessing.get_context("fork")  # libraries need seconds to import, a fork has them
DROPOUT = {"hidden_dropout_prob": 0.1}


@pytest.fixture(scope="module")
def shop(shop):
    config = json.loads((shop / "encoder" / "config.json").read_text())
    (shop / "encoder" / "config.json").write_text(json.dumps(config | DROPOUT))  # random numbers must go on too
    return shop


@pytest.fixture(autouse=True)
def one_code_version(monkeypatch):
    """Nobody's edit between two runs of a test shall count as other code."""
    monkeypatch.setattr(loop, "code_version", lambda: "sha256:this")


def suite_of(method: str):
    balancing = {"method": method, "sampling": "annealed", "trunk_clip": 1.0}
    return tiny_suite(max_steps=40, evaluate_every=10, checkpoint_every=4, patience=9, balancing=balancing)


class Run:
    """A training in a process of its own, which can be killed."""

    def __init__(self, shop: Path, work: Path, suite) -> None:
        self.said, theirs = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=self._train, args=(shop, work, suite, theirs), daemon=True)
        self.process.start()
        theirs.close()

    @staticmethod
    def _train(shop: Path, work: Path, suite, pipe) -> None:
        torch.use_deterministic_algorithms(True)
        digest, log = train(shop, work, lambda step, *_: pipe.send(step), suite)
        pipe.send([digest, log.loss, log.validation, log.best_step])

    def steps_until(self, step: int, delay_s: float) -> list[int]:
        """Kill the process a little after it reported ``step``; the steps that it reported."""
        steps = []
        while step not in steps:
            steps.append(self.said.recv())
        time.sleep(delay_s)
        self.process.kill()
        self.process.join()
        return steps

    def result(self) -> list:
        """What it came to in the end."""
        while isinstance(found := self.said.recv(), int):
            pass
        self.process.join()
        return found


@pytest.mark.parametrize("method", ["static", "famo"])
def test_a_killed_training_ends_with_the_same_bits(shop, tmp_path, method):
    suite = suite_of(method)
    whole = Run(shop, tmp_path / "whole", suite).result()
    pick, last = random.Random(method), 0
    for _ in range(3):
        step = pick.randint(last + 5, last + 12)
        steps = Run(shop, tmp_path / "cut", suite).steps_until(step, pick.uniform(0, 0.05))
        assert steps[0] == 1 if last == 0 else max(1, last - 5) < steps[0] <= last + 12
        last = step
    assert Run(shop, tmp_path / "cut", suite).result() == whole
    weights = [(tmp_path / name / "out" / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "cut" / "state").exists(), "deleted when the checkpoint is written"


@pytest.fixture
def interrupted(shop, tmp_path):
    """A state folder of a training that was stopped after step 9, with the state of step 8."""
    with pytest.raises(Stop):
        train(shop, tmp_path, stop_at(9))
    return tmp_path


def train(shop: Path, work: Path, report=None, suite=None):
    return train_suite(
        shop / "examples", shop / "encoder", suite or suite_of("dwa"), work / "out", report, state=work / "state"
    )


@pytest.mark.parametrize("method", ["uncertainty", "dwa", "pcgrad"])
def test_a_stopped_training_goes_on_exactly(shop, tmp_path, method):
    suite = suite_of(method)
    _, whole = train(shop, tmp_path / "whole", suite=suite)
    for step in (7, 23):
        with pytest.raises(Stop):
            train(shop, tmp_path / "cut", stop_at(step), suite)
    _, resumed = train(shop, tmp_path / "cut", suite=suite)
    assert (resumed.loss, resumed.validation) == (whole.loss, whole.validation)
    assert resumed.curves["weight"] == whole.curves["weight"]
    assert (resumed.examples, resumed.tokens) == (whole.examples, whole.tokens)
    weights = [(tmp_path / name / "out" / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]


def test_a_training_killed_after_its_end_only_writes_the_checkpoint(shop, tmp_path, monkeypatch):
    """The state of a training that stopped early says so."""
    suite = suite_of("static").model_copy(
        update={
            "training": tiny_suite(
                max_steps=40, evaluate_every=2, patience=2, learning_rate=1e-12, head_learning_rate=1e-12
            ).training
        }
    )

    def killed(*_):
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", killed)
        with pytest.raises(Stop):
            train(shop, tmp_path, suite=suite)
    steps = []
    _, log = train(shop, tmp_path, lambda step, *_: steps.append(step), suite)
    assert steps == []
    assert log.stopped_early
    assert len(log.loss) == log.validation[-1]["step"] < 40


def test_the_state_of_another_suite_or_code_is_not_used(shop, interrupted, capsys, monkeypatch):
    steps = []
    other = suite_of("dwa").model_copy(update={"seed": 5})
    with pytest.raises(Stop):
        train(shop, interrupted, lambda step, *_: steps.append(step) or stop_at(1)(step), other)
    assert "is of another suite, data, code or device: training starts anew" in capsys.readouterr().out
    assert steps == [1]
    monkeypatch.setattr(loop, "code_version", lambda: "sha256:other")
    with pytest.raises(Stop):
        train(shop, interrupted, stop_at(1))
    assert "training starts anew" in capsys.readouterr().out


def test_a_state_saved_on_a_gpu_is_not_used_on_a_processor(shop, interrupted, capsys):
    (found,) = (interrupted / "state").iterdir()
    key = json.loads((found / "manifest.json").read_text())["key"]
    state, _ = load_state(interrupted / "state", key)
    save_state(interrupted / "state", 8, key.replace(" cpu ", " cuda "), state)
    with pytest.raises(Stop):
        train(shop, interrupted, stop_at(1))
    assert "or device: training starts anew" in capsys.readouterr().out


def test_a_torn_state_is_never_read(shop, interrupted, capsys):
    (state,) = (interrupted / "state").iterdir()
    assert state.name == "step-00000008"
    (state / "tensors.safetensors").write_bytes((state / "tensors.safetensors").read_bytes()[:-1])
    with pytest.raises(Stop):
        train(shop, interrupted, stop_at(1))
    assert "is whole: training starts anew" in capsys.readouterr().out


def test_what_a_killed_write_left_behind_is_neither_read_nor_kept(shop, interrupted):
    state = interrupted / "state"
    (state / ".step-00000012.x.partial").mkdir()
    steps = []
    train(shop, interrupted, lambda step, *_: steps.append(step))
    assert steps[0] == 9
    assert not state.exists()


def test_ctrl_c_says_how_to_go_on(shop, tmp_path, capsys):
    def interrupt(step: int, *_):
        if step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(shop, tmp_path, interrupt)
    assert f"the same command goes on from the state in {tmp_path / 'state'}" in capsys.readouterr().out


def test_a_state_comes_back_as_it_was(tmp_path):
    state = {"a": {"b": [torch.arange(3), 1.5, None]}, "c": torch.tensor(2.0), "d": [], "e": {"f": "x"}}
    save_state(tmp_path / "s", 3, "key", state)
    save_state(tmp_path / "s", 4, "key", state)
    assert [p.name for p in (tmp_path / "s").iterdir()] == ["step-00000004"]
    found, said = load_state(tmp_path / "s", "key")
    assert said == "training goes on after step 4"
    assert found["a"]["b"][0].tolist() == [0, 1, 2]
    assert found["a"]["b"][1:] == [1.5, None]
    assert float(found["c"]) == 2.0
    assert (found["d"], found["e"]) == ([], {"f": "x"})
    assert load_state(tmp_path / "none", "key") == (None, "")
