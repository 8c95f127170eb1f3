"""What a training learns from: the example tables as rows in memory, and a fresh model that fits them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tokenizers import Tokenizer

from polymart.config import Settings, Suite, Task
from polymart.data.archives import fetch
from polymart.data.example_index import TaskExamples, read_examples, read_examples_index
from polymart.data.items import read_items
from polymart.errors import SuiteError, TrainingError
from polymart.files import read_json
from polymart.model.encoder import TextEncoder
from polymart.model.image import ImageTower
from polymart.model.inputs import Collator
from polymart.model.items import Items
from polymart.model.multitask import MultiTaskModel
from polymart.model.statistics import fit_statistics
from polymart.model.texts import fit_tokenizer
from polymart.tasks import kind_of
from polymart.training.checkpoint import TaskState
from polymart.training.data import TaskData


@dataclass(frozen=True)
class Material:
    """Everything about the tasks that does not change while training."""

    suite: Suite
    """The suite with only the tasks that have examples."""
    encoder: Path
    """Folder of the pretrained encoder."""
    tokenizer: Tokenizer
    states: Mapping[str, TaskState]
    items: Mapping[str, pd.DataFrame]
    train: Mapping[str, TaskData]
    val: Mapping[str, TaskData]

    def fresh_model(self) -> MultiTaskModel:
        """The pretrained encoder with heads that start at the training base rates."""
        settings = self.suite.encoder
        text = TextEncoder.from_pretrained(
            self.encoder, settings.trainable_layers, settings.adapter, self.suite.training.max_steps
        )
        if self.suite.training.gradient_checkpointing:
            text.checkpoint_gradients()
        if self.suite.training.compile:
            text.compile_transformer()
        model = MultiTaskModel.build(
            text,
            self.suite.tasks,
            {name: state.statistics for name, state in self.states.items()},
            {name: state.labels for name, state in self.states.items()},
            _image_tower(self.suite, text.width),
        )
        for name, data in self.train.items():
            # No step is spent on learning how rare a label is.
            head = model.head(name)
            head.start_at(data.kind.base_outputs(data.target, head.num_outputs))
        return model


def _require_positions(suite: Suite, encoder: Path) -> None:
    """Refuse limits that the encoder's positions do not reach: it would fail at the first text so long."""
    config = encoder / "config.json"
    positions = read_json(config).get("max_position_embeddings") if config.is_file() else None
    for task in suite.tasks:
        asked = suite.max_tokens(task)
        if task.inputs.text and positions is not None and asked > positions:
            raise SuiteError(
                f"task {task.name!r} reads {asked} tokens, the encoder in {encoder} at most {positions}",
                remedy="lower max_tokens of the task or of the encoder in the suite",
            )


def load_material(examples: Path, encoder: Path, suite: Suite) -> Material:
    """Read the examples of every task of ``suite`` that has some.

    Raises:
        TrainingError: no task has data, or a task has no training or validation rows or a single label.
        LabelError: a label stands outside its label map.
        SuiteError: a ranking task's clusters part the rows of a query; a task reads longer texts than the encoder.
    """
    _require_positions(suite, encoder)
    index = read_examples_index(examples)
    tasks = [task for task in suite.tasks if task.name in index.tasks]
    if not tasks:
        raise TrainingError(
            f"no task of suite {suite.name!r} has an example table in {examples}",
            remedy="fetch data with `polymart data fetch` and run again",
        )
    tokenizer = fit_tokenizer(Tokenizer.from_file(str(encoder / "tokenizer.json")), suite.encoder.max_tokens)
    items = {name: read_items(examples, name) for name in sorted({task.items for task in tasks if task.items})}
    states, train, val = {}, {}, {}
    for task in tasks:
        states[task.name], train[task.name], val[task.name] = _load_task(
            task,
            suite,
            read_examples(examples, task.name),
            index.tasks[task.name],
            fit_tokenizer(tokenizer, suite.max_tokens(task)),
            items.get(task.items or ""),
        )
    return Material(suite.model_copy(update={"tasks": tasks}), encoder, tokenizer, states, items, train, val)


def _load_task(
    task: Task, suite: Suite, frame: pd.DataFrame, about: TaskExamples, tokenizer: Tokenizer, items: pd.DataFrame | None
) -> tuple[TaskState, TaskData, TaskData]:
    labels = about.labels
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
    # What the metric cannot take is refused now, not after the training.
    kind_of(task.kind).metric_label(frame, task, labels)
    catalogue = None if items is None else Items.of(items, tokenizer)
    num_labels = len(catalogue or labels or ()) if task.inputs.label_history or catalogue else 0
    statistics = fit_statistics(parts["train"], task.inputs, num_labels)
    collate = Collator(task.inputs, statistics, tokenizer, suite.encoder.image_size)
    train = TaskData.of(task, parts["train"], labels, collate, catalogue)
    val = TaskData.of(task, parts["val"], labels, collate, catalogue, train.learned)
    state = TaskState(labels=labels, statistics=statistics, target=train.learned, data_origin=about.data_origin)
    return state, train, val


def _image_tower(suite: Suite, width: int) -> ImageTower | None:
    """The pretrained image backbone, which is fetched only where a task has pictures."""
    if not any(task.inputs.image for task in suite.tasks):
        return None
    folder = fetch(suite.encoder.image_dataset, Settings())
    return ImageTower.from_pretrained(folder, width, suite.encoder.image_trainable_blocks)
