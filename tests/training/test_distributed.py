"""Two processes with gloo learn what one learns."""

import json
import multiprocessing
import os
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import torch
from fixtures.tiny_encoder import write_tiny_encoder
from fixtures.tiny_items import items_suite, write_items_examples
from fixtures.tiny_suite import tiny_suite, write_tiny_examples
from safetensors.torch import load_file

from polymart.errors import TableError, TrainingError
from polymart.model import tower
from polymart.training import loop
from polymart.training.checkpoint import checkpoint_digest
from polymart.training.distributed import train
from polymart.training.loop import train_suite
from polymart.training.world import joined

pytestmark = pytest.mark.long
FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def without_randomness(monkeypatch):
    """Dropout differs between processes, so without it."""
    monkeypatch.setattr(tower, "DROPOUT", 0.0)
    monkeypatch.setattr(tower, "UNSEEN", 0.0)
    monkeypatch.setattr(loop, "code_version", lambda: "sha256:this")


def suite_of(method: str, own_layers: int = 0, **training):
    balancing = {"method": method, "trunk_clip": 1.0} if method != "dwa" else {"method": method}
    settings = {"max_steps": 12, "evaluate_every": 4, "patience": 9, "balancing": balancing, **training}
    suite = tiny_suite(**settings)
    # the last micro-batch of an epoch has a single row: one process has none of it
    tasks = [task.model_copy(update={"micro_batch": 13}) for task in suite.tasks]
    tasks[-1] = tasks[-1].model_copy(update={"own_layers": own_layers})
    return suite.model_copy(update={"tasks": tasks})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def worker(rank: int, size: int, port: int, shop: Path, work: Path, suite, sharded: bool, state) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    with joined(sharded) as world:
        _, log = train_suite(shop / "examples", shop / "encoder", suite, work, world=world, state=state)
    (work.parent / f"log-{work.name}-{rank}.json").write_text(
        json.dumps({"loss": log.loss, "validation": log.validation, "best": log.best_step, "curves": log.curves})
    )


def train_on(size: int, shop: Path, work: Path, suite, *, sharded=False, state=None):
    """Logs of each process and the weights."""
    port = free_port()
    processes = [
        FORK.Process(target=worker, args=(rank, size, port, shop, work, suite, sharded, state), daemon=True)
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(90)
    assert [process.exitcode for process in processes] == [0] * size
    logs = [json.loads((work.parent / f"log-{work.name}-{rank}.json").read_text()) for rank in range(size)]
    return logs, load_file(work / "model.safetensors")


def test_rows_that_share_candidates_stay_together(tmp_path):
    write_tiny_encoder(tmp_path / "encoder")
    write_items_examples(tmp_path / "examples")
    suite = items_suite(max_steps=9, evaluate_every=3, patience=9)
    (one,), weights = train_on(1, tmp_path, tmp_path / "one", suite)
    two, shared = train_on(2, tmp_path, tmp_path / "two", suite)
    assert_close(two[0]["loss"], one["loss"])
    assert_close(two[0]["validation"], one["validation"])
    for name, tensor in weights.items():
        torch.testing.assert_close(shared[name], tensor, rtol=2e-3, atol=2e-4, msg=lambda m, n=name: f"{n}: {m}")


def assert_close(found, expected, rtol=2e-4):
    assert [row.keys() for row in found] == [row.keys() for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=rtol, abs=1e-5)


@pytest.mark.parametrize(
    ("method", "sharded", "own_layers"),
    [
        ("static", False, 0),
        ("famo", False, 0),
        ("pcgrad", False, 0),
        ("dwa", True, 0),
        ("pcgrad", True, 0),
        ("static", False, 1),
        ("pcgrad", False, 2),
    ],
)
def test_two_processes_have_the_curve_and_weights_of_one(shop, tmp_path, method, sharded, own_layers):
    suite = suite_of(method, own_layers)
    (one,), weights = train_on(1, shop, tmp_path / "one", suite)
    two, shared = train_on(2, shop, tmp_path / "two", suite, sharded=sharded)
    assert two[0]["loss"] == two[1]["loss"], "every process sees the same numbers"
    assert two[0]["best"] == one["best"]
    assert_close(two[0]["loss"], one["loss"])
    assert_close(two[0]["validation"], one["validation"])
    for curve in ("metric", "gradient_norm", "conflict", "weight"):
        assert_close(two[0]["curves"][curve], one["curves"][curve], rtol=2e-3)
    assert shared.keys() == weights.keys()
    for name, tensor in weights.items():
        torch.testing.assert_close(shared[name], tensor, rtol=2e-3, atol=2e-4, msg=lambda m, n=name: f"{n}: {m}")


def launched(shop: Path, work: Path, suite):
    return train(shop / "examples", shop / "encoder", suite, work / "out", work / "state")


def kill_a_process_when(condition, result: Future) -> float:
    """Kill the worker of rank 1; the time of the kill."""
    while not result.done():
        workers = [p for p in psutil.Process().children(recursive=True) if "polymart.training.worker" in p.cmdline()]
        victims = [p for p in workers if p.environ().get("RANK") == "1"]
        if condition() and victims:
            victims[0].kill()
            return time.monotonic()
        time.sleep(0.05)
    raise AssertionError("the training ended before the kill")


def test_a_dead_process_ends_the_training_and_the_next_call_goes_on(shop, tmp_path, capfd):
    suite = tiny_suite(
        "mood", max_steps=150, evaluate_every=75, checkpoint_every=5, patience=9, distributed={"processes": 2}
    )
    with ThreadPoolExecutor(1) as pool:
        dying = pool.submit(launched, shop, tmp_path, suite)
        killed = kill_a_process_when(lambda: list((tmp_path / "state").glob("step-*")), dying)
        with pytest.raises(TrainingError, match=r"2 processes ended with status 1: a process died") as caught:
            dying.result(timeout=60)
    assert time.monotonic() - killed < 60
    assert str(tmp_path / "state") in caught.value.remedy
    assert not (tmp_path / "out").exists()
    capfd.readouterr()
    digest, log = launched(shop, tmp_path, suite)
    said = capfd.readouterr().out
    assert said.count("training goes on after step") == 1
    assert "polymart-progress\ttrain_suite\t150\t150\tsteps\tmood 0." in said
    assert digest == checkpoint_digest(tmp_path / "out")
    (whole, _), weights = train_on(2, shop, tmp_path / "whole", suite)
    assert log.loss == whole["loss"]
    found = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_what_the_first_process_finds_wrong_is_the_error(shop, tmp_path):
    suite = tiny_suite("mood", distributed={"processes": 2})
    examples = write_tiny_examples(tmp_path / "examples")
    (examples / "mood.parquet").unlink()
    with pytest.raises(TableError, match="holds no example table of task 'mood'"):
        train(examples, shop / "encoder", suite, tmp_path / "out", tmp_path / "state")
