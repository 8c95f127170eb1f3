"""What makes a checkpoint unfit before anything is measured: damage, weights that are no numbers, foreign labels.

A defect is a finding and no exception: the verdict names it as the cause, and the run ends as every other does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open

from polymart.config import Suite
from polymart.data.example_index import ExamplesIndex, read_examples_index
from polymart.data.items import items_path, read_items
from polymart.errors import PolymartError
from polymart.evaluation.records import Defect
from polymart.files import read_json
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import verify_checkpoint

WEIGHTS, STATES = "model.safetensors", "tasks.json"


def open_checkpoint(checkpoint: Path, examples: Path, suite: Suite) -> tuple[Predictor | None, list[Defect]]:
    """The checkpoint ready to answer, or None and what is wrong with it.

    Args:
        checkpoint: checkpoint folder.
        examples: folder with ``examples.json``, whose label maps and items the checkpoint must speak of.
        suite: the tasks that it was to learn.
    """
    defects = find_defects(checkpoint, examples, suite)
    if defects:
        return None, defects
    try:
        return Predictor.load(checkpoint), []
    except PolymartError as error:
        return None, [Defect(defect="manifest", what=f"its files cannot be read together: {error.message}")]


def find_defects(checkpoint: Path, examples: Path, suite: Suite) -> list[Defect]:
    """Everything wrong with a checkpoint; of one that is not as it was written nothing else is said."""
    try:
        verify_checkpoint(checkpoint)
    except PolymartError as error:
        return [Defect(defect="manifest", what=error.message)]
    index, states = read_examples_index(examples), read_json(checkpoint / STATES)
    wanted = [task.name for task in suite.tasks if task.name in index.tasks]
    return [
        *_missing_heads(checkpoint, wanted, states.keys()),
        *_foreign_labels(checkpoint, examples, index, states),
        *_not_finite(checkpoint),
    ]


def _missing_heads(checkpoint: Path, wanted: list[str], known: set[str]) -> Iterator[Defect]:
    with safe_open(checkpoint / WEIGHTS, framework="pt") as weights:
        heads = {head for name in weights.keys() if (head := _head_of(name))}  # noqa: SIM118 - no mapping
    for task in wanted:
        if task not in known:
            yield Defect(defect="missing_head", task=task, what=f"{STATES} knows nothing of it, though it has examples")
        elif task not in heads:
            yield Defect(defect="missing_head", task=task, what=f"{WEIGHTS} holds no tensor heads.{task}.*")


def _foreign_labels(checkpoint: Path, examples: Path, index: ExamplesIndex, states: dict) -> Iterator[Defect]:
    for task, state in states.items():
        about = index.tasks.get(task)
        if about is None:
            continue
        if about.items is not None:
            kind, found, expected = "items", *(_items(folder, about.items) for folder in (checkpoint, examples))
        else:
            kind, found, expected = "labels", state["labels"] or [], about.labels or []
        if found != expected:
            yield Defect(defect="label_map", task=task, what=_difference(kind, found, expected))


def _items(folder: Path, name: str) -> list:
    return read_items(folder, name)["item_id"].tolist() if items_path(folder, name).is_file() else []


def _difference(kind: str, found: list, expected: list) -> str:
    if len(found) != len(expected):
        return f"the checkpoint knows {len(found)} {kind}, its examples have {len(expected)}"
    place = next(i for i, (ours, theirs) in enumerate(zip(found, expected, strict=True)) if ours != theirs)
    moved = sum(ours != theirs for ours, theirs in zip(found, expected, strict=True))
    return (
        f"position {place} of its {kind} is {found[place]!r} in the checkpoint and {expected[place]!r} in the "
        f"examples; {moved} of {len(found)} positions differ"
    )


def _not_finite(checkpoint: Path) -> Iterator[Defect]:
    """One defect for each head, or the trunk, whose weights are NaN or infinite."""
    broken: dict[str, list[str]] = defaultdict(list)
    with safe_open(checkpoint / WEIGHTS, framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118 - no mapping
            tensor = weights.get_tensor(name)
            if count := int((~torch.isfinite(tensor)).sum()):
                broken[_head_of(name)].append(f"{name} ({count:,} of {tensor.numel():,} values)")
    for task, tensors in broken.items():
        what = f"{len(tensors)} tensors of {WEIGHTS} hold NaN or infinite values, e.g. {tensors[0]}"
        yield Defect(defect="not_finite", task=task, what=what)


def _head_of(tensor: str) -> str:
    """The task whose head a tensor belongs to; empty for the trunk."""
    return tensor.split(".")[1] if tensor.startswith(("heads.", "branches.")) else ""
