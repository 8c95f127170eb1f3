"""A model of each task alone: the same encoder, examples and settings, but its own number of steps and early stopping.

What the shared model must not fall behind, if sharing is to cost no task anything.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from polymart.config import Gates, Monitoring, Settings, Suite
from polymart.data.archives import archive_of, fetch
from polymart.data.example_index import read_examples_index, task_digest
from polymart.errors import CheckpointError
from polymart.files import atomic_folder, canonical_json, digest_text, digest_tree, link_tree, read_json, write_json
from polymart.version import library_version

EPOCHS = 8
"""Most passes of a single-task model over its training rows; early stopping ends nearly every run before."""
VALIDATIONS_PER_EPOCH = 2
CODE = ("balancing", "model", "tasks", "training")
"""Parts of the library that decide the weights."""


def single_suite(suite: Suite, task: str, rows: int) -> Suite:
    """The suite of one task: the same recipe, its own number of steps and its own early stopping.

    It does not say how the shared model divides its steps, so other shares ask for no other model.

    Args:
        suite: the suite of all tasks.
        task: the task to be left.
        rows: its training rows.
    """
    chosen = suite.task(task).model_copy(update={"share": 1.0, "own_layers": 0})
    epoch = rows / chosen.micro_batch
    training = suite.training.model_copy(
        update={
            "micro_batches": 1,
            "max_steps": max(1, math.ceil(EPOCHS * epoch)),
            "evaluate_every": max(1, math.ceil(epoch / VALIDATIONS_PER_EPOCH)),
        }
    )
    return suite.model_copy(update={"tasks": [chosen], "training": training})


def train_singles(examples: Path, suite: Suite, out: Path, settings: Settings) -> None:
    """Write ``<task>/``, a checkpoint of that task alone, for every task with examples, and ``baselines.json``.

    Each model is trained once: it is kept in ``baselines/`` of the work folder by a digest of all that it follows from.
    An interrupted training goes on from its state there.

    Args:
        examples: folder with ``<task>.parquet`` and ``examples.json``.
        suite: no model is trained where its ``gates.single_task`` is false.
        out: folder, replaced whole.
        settings: where work and data folders lie.

    Raises:
        TrainingError: a task has no rows, a loss became NaN, or a process of the training died.
    """
    index = read_examples_index(examples)
    tasks = [task.name for task in suite.tasks if task.name in index.tasks] if suite.gates.single_task else []
    homes = {}
    for task in tasks:
        arm = _as_trained(single_suite(suite, task, index.tasks[task].rows["train"]))
        homes[task] = _train_once(examples, arm, task, settings)
    with atomic_folder(out) as folder:
        for task, home in homes.items():
            link_tree(home / "checkpoint", folder / task)
        write_json(folder / "baselines.json", {task: read_json(home / "training.json") for task, home in homes.items()})


def _as_trained(arm: Suite) -> Suite:
    """The suite without what its training does not read: other gates or slices ask for no other model."""
    whole = {"name": "single", "description": "", "gates": Gates(), "monitoring": Monitoring()}
    gated: dict[str, Any] = {"margin": 0.0, "bar": None, "regression_margin": None, "slices": []}
    return arm.model_copy(update={**whole, "tasks": [task.model_copy(update=gated) for task in arm.tasks]})


def _train_once(examples: Path, arm: Suite, task: str, settings: Settings) -> Path:
    """The folder that keeps the model of ``task``, which is trained where it is not there whole."""
    # Imported here: seconds of torch and transformers, which a suite without such models need not spend.
    from polymart.training.distributed import train

    encoder = fetch(arm.encoder.dataset, settings)
    home = settings.work_dir / "baselines" / f"{task}-{_key(examples, encoder, arm)}"
    if not _is_whole(home):
        where = {"out": home / "checkpoint", "state": home / "state"}
        digest, log = train(examples, encoder, arm, **where, step="train_baselines", unit=f"{task} steps")
        about: dict[str, Any] = {"digest": digest, "best_step": log.best_step, "seconds": log.seconds}
        write_json(home / "training.json", about)
    return home


def _key(examples: Path, encoder: Path, arm: Suite) -> str:
    """Twelve digits of all that a single-task model follows from."""
    images = archive_of(arm.encoder.image_dataset).sha256 if arm.tasks[0].inputs.image else ""
    parts = [arm.digest, task_digest(examples, arm.tasks[0]), digest_tree(encoder), images, library_version(*CODE)]
    return digest_text(canonical_json(parts)).removeprefix("sha256:")[:12]


def _is_whole(home: Path) -> bool:
    from polymart.training.checkpoint import verify_checkpoint  # torch

    try:
        return (home / "training.json").is_file() and bool(verify_checkpoint(home / "checkpoint"))
    except CheckpointError:
        return False
