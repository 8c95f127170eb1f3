"""Train a suite: one encoder, one head per task, early stopping, one checkpoint for all tasks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from polymart.balancing.sampling import TaskSampler
from polymart.balancing.static import StaticWeights
from polymart.config import Suite, Task
from polymart.data.examples import read_examples, read_examples_index
from polymart.errors import TrainingError
from polymart.model.encoder import TextEncoder, autocast_dtype
from polymart.model.inputs import Collator, fit_statistics, fit_tokenizer
from polymart.model.multitask import MultiTaskModel
from polymart.tasks import kind_of
from polymart.training.checkpoint import Checkpoint, TaskState, save_checkpoint
from polymart.training.data import TaskData, micro_batches
from polymart.training.step import build_optimizer, check_finite, clip, step_losses, warmup_cosine

Report = Callable[[int, int, dict[str, float]], None]
"""Called after each step with (step, max_steps, losses by task)."""


@dataclass
class TrainingLog:
    """What happened, as plain lists for the tracking server and the run page."""

    loss: list[dict[str, float]] = field(default_factory=list)
    """One row per step: ``step`` and the mean unit-scaled loss of every task that took part."""
    validation: list[dict[str, float]] = field(default_factory=list)
    """One row per validation: ``step``, each task's loss and ``mean``."""
    best_step: int = 0
    stopped_early: bool = False
    examples_per_s: float = 0.0
    seconds: float = 0.0
    precision: str = "float32"


def train_suite(
    examples: Path, encoder: Path, suite: Suite, out: Path, report: Report | None = None
) -> tuple[str, TrainingLog]:
    """Train every task of ``suite`` that has an example table and write the best checkpoint to ``out``.

    Args:
        examples: folder with ``<task>.parquet`` and ``examples.json``.
        encoder: folder with the pretrained encoder and ``tokenizer.json``.
        suite: tasks and settings; tasks listed as skipped in ``examples.json`` are left out.
        out: checkpoint folder, replaced whole.
        report: progress callback.

    Returns:
        The checkpoint's digest and the log.

    Raises:
        TrainingError: no task has data, a task has no training or validation rows, a loss became NaN.
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
    states, train, val = {}, {}, {}
    for task in tasks:
        states[task.name], train[task.name], val[task.name] = _load_task(
            task, examples, tokenizer, index.tasks[task.name].labels, index.tasks[task.name].data_origin
        )
    model = MultiTaskModel.build(
        TextEncoder.from_pretrained(encoder, suite.encoder.trainable_layers),
        tasks,
        {name: state.statistics for name, state in states.items()},
        {name: state.labels for name, state in states.items()},
    )
    log = _fit(model, train, val, present, report)
    return save_checkpoint(Checkpoint(model.eval().cpu(), tokenizer, present, states), out), log


def _load_task(
    task: Task, examples: Path, tokenizer: Tokenizer, labels: list[str] | None, origin: str
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
    statistics = fit_statistics(parts["train"], task.inputs, len(labels or ()) if task.inputs.label_history else 0)
    collate = Collator(task.inputs, statistics, tokenizer)
    state = TaskState(labels=labels, statistics=statistics, data_origin=origin)
    train, val = (TaskData.of(task, part, labels, collate) for part in parts.values())
    return state, train, val


def _fit(
    model: MultiTaskModel, train: dict[str, TaskData], val: dict[str, TaskData], suite: Suite, report: Report | None
) -> TrainingLog:
    settings, device = suite.training, torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = autocast_dtype(settings.precision, device)
    model.to(device).train()
    _start_at_base_rates(model, train)
    optimizer = build_optimizer(model, settings, device)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_cosine(settings))
    sizes = {name: len(data) for name, data in train.items()}
    sampler = TaskSampler(suite.tasks, sizes, settings.balancing, settings.max_steps, suite.seed)
    balance = StaticWeights({task.name: task.weight for task in suite.tasks})
    streams = {name: micro_batches(data, suite.seed) for name, data in train.items()}
    log, started, seen = TrainingLog(precision=str(dtype or torch.float32).removeprefix("torch.")), time.monotonic(), 0
    best, best_state, stale = float("inf"), None, 0
    for step in range(1, settings.max_steps + 1):
        drawn = sampler.draw(settings.micro_batches)
        losses = step_losses(model, train, streams, drawn, balance, device, dtype)
        clip(model, settings.clip_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        values = check_finite(losses, step)
        log.loss.append({"step": step, **values})
        seen += sum(train[name].task.micro_batch for name in drawn)
        if report is not None:
            report(step, settings.max_steps, values)
        if step % settings.evaluate_every == 0 or step == settings.max_steps:
            row = check_finite(validate(model, val, device, dtype), step)
            log.validation.append({"step": step, **row})
            if row["mean"] < best - 1e-4:
                best, stale, log.best_step = row["mean"], 0, step
                best_state = {k: v.detach().clone() for k, v in model.state_dict().items()}
            elif (stale := stale + 1) >= settings.patience:
                log.stopped_early = True
                break
    log.seconds = time.monotonic() - started
    log.examples_per_s = seen / log.seconds
    if best_state is not None:
        model.load_state_dict(best_state)
    return log


def _start_at_base_rates(model: MultiTaskModel, train: dict[str, TaskData]) -> None:
    """Start each head at the training base rate, so that no step is spent on learning how rare a label is."""
    for name, data in train.items():
        head = model.head(name)
        head.start_at(kind_of(data.task.kind).base_outputs(data.target, head.num_outputs))


@torch.no_grad()
def validate(
    model: MultiTaskModel, val: dict[str, TaskData], device: torch.device, dtype: torch.dtype | None
) -> dict[str, float]:
    """Mean unit-scaled loss of each task, and ``mean`` weighted by the tasks' weights."""
    model.eval()
    row = {}
    for name, data in val.items():
        total = 0.0
        for batch, target in data.in_order(64):
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                outputs_BO = model(name, batch.to(device))
            total += float(kind_of(data.task.kind).loss(outputs_BO.float(), target.to(device)).sum())
        row[name] = total / len(data)
    model.train()
    weights = {name: data.task.weight for name, data in val.items()}
    row["mean"] = float(np.average([row[n] for n in weights], weights=list(weights.values())))
    return row
