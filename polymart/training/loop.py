"""Train a suite: one encoder, one head per task, one checkpoint for all tasks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from polymart.config import Suite
from polymart.data.example_index import read_examples_index
from polymart.files import canonical_json, digest_text
from polymart.training.calibration import calibrate
from polymart.training.checkpoint import Checkpoint, save_checkpoint
from polymart.training.log import TrainingLog
from polymart.training.material import load_material
from polymart.training.sharding import shard_trunk
from polymart.training.state import delete_states, load_state, save_state
from polymart.training.trainer import Report, Trainer
from polymart.training.weights import load_trained
from polymart.training.world import ALONE, World
from polymart.version import code_version

__all__ = ["Report", "TrainingLog", "train_suite", "training_key"]


def train_suite(
    examples: Path,
    encoder: Path,
    suite: Suite,
    out: Path,
    report: Report | None = None,
    *,
    state: Path | None = None,
    world: World = ALONE,
) -> tuple[str, TrainingLog]:
    """Train every task of ``suite`` that has an example table and write the best checkpoint to ``out``.

    Args:
        examples: folder with ``<task>.parquet`` and ``examples.json``.
        encoder: folder with the pretrained encoder and ``tokenizer.json``.
        suite: tasks and settings; tasks listed as skipped in ``examples.json`` are left out.
        out: checkpoint folder, replaced whole.
        report: progress callback.
        state: folder in which the training keeps the state that it goes on from after an interruption, bit for bit;
            the state of another suite, other examples, other code, another device or number of processes is not used.
            Deleted when all is done.
        world: this process's place among those that train together (`polymart.training.distributed`).

    Returns:
        The checkpoint's digest (empty but in the first process) and the log.

    Raises:
        TrainingError: no task has data, a task has no training or validation rows, a loss became NaN.
        ArchiveError: a task has pictures and the pretrained image backbone cannot be fetched.
    """
    torch.manual_seed(suite.seed)
    material = load_material(examples, encoder, suite)
    model = material.fresh_model()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trained = copy.deepcopy(model) if world.sharded else model  # a model in shards cannot be written as it is
    world.copy_from_first(model.to(device))
    if world.sharded:
        shard_trunk(model, world, device)
    if world.size > 1:
        torch.manual_seed(suite.seed + world.rank)  # dropout differs between processes
    trainer = Trainer(model, material.train, material.val, material.suite, world, device, report)
    with _told_how_to_resume(state if world.leads else None):
        key = f"{training_key(examples, suite)} {device.type} {world.size}"  # its random states fit no other
        log = trainer.fit() if state is None else _fit_from(trainer, state, key)
    if not world.leads:
        return "", log
    load_trained(trained, trainer.best_tensors)
    checkpoint = Checkpoint(trained, material.tokenizer, material.suite, material.states, material.items)
    checkpoint = calibrate(checkpoint, material.val)
    checkpoint.model.cpu()
    digest = save_checkpoint(checkpoint, out)
    if state is not None:
        delete_states(state)
    return digest, log


def training_key(examples: Path, suite: Suite) -> str:
    """Digest of suite, examples and code: what a training must share with a state to go on from it."""
    return digest_text(canonical_json([suite.digest, read_examples_index(examples).digest, code_version()]))


def _fit_from(trainer: Trainer, folder: Path, key: str) -> TrainingLog:
    """Train from the state in ``folder``, if it is this training's, and keep the state there."""
    state, said = load_state(folder, key)
    if said and trainer.world.leads:
        print(said, flush=True)
    if state is not None:
        trainer.load_state_dict(state)

    def save(trainer: Trainer) -> None:
        tensors = trainer.state_dict()
        if trainer.world.leads:
            save_state(folder, trainer.step, key, tensors)

    return trainer.fit(save)


@contextmanager
def _told_how_to_resume(state: Path | None) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if state is not None:
            print(f"training was stopped; the same command goes on from the state in {state}", flush=True)
        raise
