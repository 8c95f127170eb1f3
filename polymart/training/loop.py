"""Train a suite: one encoder, one head per task, one checkpoint for all tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from tokenizers import Tokenizer

from polymart.config import Settings, Suite, Task
from polymart.data.archives import fetch
from polymart.data.examples import read_examples, read_examples_index
from polymart.data.items import read_items
from polymart.errors import TrainingError
from polymart.files import canonical_json, digest_text
from polymart.model.encoder import TextEncoder
from polymart.model.image import ImageTower
from polymart.model.inputs import Collator, fit_statistics, fit_tokenizer
from polymart.model.items import Items
from polymart.model.multitask import MultiTaskModel
from polymart.training.checkpoint import Checkpoint, TaskState, save_checkpoint
from polymart.training.data import TaskData
from polymart.training.log import TrainingLog
from polymart.training.state import delete_states, load_state, save_state
from polymart.training.thresholds import fit_thresholds
from polymart.training.trainer import Report, Trainer
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
            the state of another suite, other examples or other code is not used. Deleted when all is done.
        world: this process's place among those that train together.

    Returns:
        The checkpoint's digest and the log.

    Raises:
        TrainingError: no task has data, a task has no training or validation rows, a loss became NaN.
        ArchiveError: a task has pictures and the pretrained image backbone cannot be fetched.
    """
    torch.manual_seed(suite.seed)
    index = read_examples_index(examples)
    tasks = [task for task in suite.tasks if task.name in index.tasks]
    if not tasks:
        raise TrainingError(
            f"no task of suite {suite.name!r} has an example table in {examples}",
            remedy="fetch data with `polymart data fetch` and run again",
        )
    present = suite.model_copy(update={"tasks": tasks})
    tokenizer = fit_tokenizer(Tokenizer.from_file(str(encoder / "tokenizer.json")), suite.encoder.max_tokens)
    items = {name: read_items(examples, name) for name in sorted({task.items for task in tasks if task.items})}
    states, train, val = {}, {}, {}
    for task in tasks:
        states[task.name], train[task.name], val[task.name] = _load_task(
            task,
            examples,
            fit_tokenizer(tokenizer, suite.max_tokens(task)),
            index.tasks[task.name].labels,
            index.tasks[task.name].data_origin,
            items.get(task.items or ""),
            suite.encoder.image_size,
        )
    text = TextEncoder.from_pretrained(
        encoder, suite.encoder.trainable_layers, suite.encoder.adapter, suite.training.max_steps
    )
    if suite.training.gradient_checkpointing:
        text.checkpoint_gradients()
    if suite.training.compile:
        text.compile_transformer()
    model = MultiTaskModel.build(
        text,
        tasks,
        {name: state.statistics for name, state in states.items()},
        {name: state.labels for name, state in states.items()},
        _image_tower(present, text.width),
    )
    _start_at_base_rates(model, train)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(model, train, val, present, world, device, report)
    if state is None:
        log = trainer.fit()
    else:
        with _told_how_to_resume(state):
            log = _fit_from(trainer, state, training_key(examples, suite))
    checkpoint = fit_thresholds(Checkpoint(model, tokenizer, present, states, items), val)
    checkpoint.model.cpu()
    digest = save_checkpoint(checkpoint, out)
    if state is not None:
        delete_states(state)
    return digest, log


def _image_tower(suite: Suite, width: int) -> ImageTower | None:
    """The pretrained image backbone, which is fetched only where a task has pictures."""
    if not any(task.inputs.image for task in suite.tasks):
        return None
    folder = fetch(suite.encoder.image_dataset, Settings())
    return ImageTower.from_pretrained(folder, width, suite.encoder.image_trainable_blocks)


def training_key(examples: Path, suite: Suite) -> str:
    """Digest of suite, examples and code: what a training must share with a state to go on from it."""
    return digest_text(canonical_json([suite.digest, read_examples_index(examples).digest, code_version()]))


def _fit_from(trainer: Trainer, folder: Path, key: str) -> TrainingLog:
    """Train from the state in ``folder``, if it is this training's, and keep the state there."""
    state, said = load_state(folder, key)
    if said:
        print(said, flush=True)
    if state is not None:
        trainer.load_state_dict(state)
    return trainer.fit(lambda trainer: save_state(folder, trainer.step, key, trainer.state_dict()))


@contextmanager
def _told_how_to_resume(state: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print(f"training was stopped; the same command goes on from the state in {state}", flush=True)
        raise


def _load_task(
    task: Task,
    examples: Path,
    tokenizer: Tokenizer,
    labels: list[str] | None,
    origin: str,
    items: pd.DataFrame | None,
    image_size: int,
) -> tuple[TaskState, TaskData, TaskData]:
    frame = read_examples(examples, task.name)
    parts = {split: frame[frame["split"] == split] for split in ("train", "val")}
    for split, part in parts.items():
        if part.empty:
            raise TrainingError(
                f"task {task.name!r} has no {split} rows among {len(frame)}",
                remedy="move the split dates, or bring data of that period",
            )
    if labels is not None and len(labels) < 2:
        raise TrainingError(
            f"task {task.name!r} has the label map {labels}: there is nothing to tell apart",
            remedy="bring rows with at least two labels, or take the task out of the suite",
        )
    catalogue = None if items is None else Items.of(items, tokenizer)
    num_labels = len(catalogue or labels or ()) if task.inputs.label_history or catalogue else 0
    statistics = fit_statistics(parts["train"], task.inputs, num_labels)
    collate = Collator(task.inputs, statistics, tokenizer, image_size)
    train = TaskData.of(task, parts["train"], labels, collate, catalogue)
    val = TaskData.of(task, parts["val"], labels, collate, catalogue, train.learned)
    return TaskState(labels=labels, statistics=statistics, target=train.learned, data_origin=origin), train, val


def _start_at_base_rates(model: MultiTaskModel, train: dict[str, TaskData]) -> None:
    """Start each head at the training base rate, so that no step is spent on learning how rare a label is."""
    for name, data in train.items():
        head = model.head(name)
        head.start_at(data.kind.base_outputs(data.target, head.num_outputs))
