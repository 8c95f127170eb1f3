"""What the encoder needs beside its checkpoint, made once at packaging: a faster trunk and the documents' vectors.

The folder ``encoder`` holds ``trunk.xml`` and ``trunk.bin`` (see `trunk`), the same as ``trunk-<task>`` for each task
with layers of its own, ``<task>.npy`` for each task that finds documents (the head's vectors of their texts) and a
manifest (see `serving.sealed`).

Shape suffixes: V unique texts, D hidden size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from polymart.config import Suite, Task
from polymart.files import atomic_folder
from polymart.model.predictor import Predictor
from serving.encoding.trunk import save_trunk
from serving.sealed import seal, verify_seal


def encoder_folder(checkpoint: Path) -> Path:
    """Where the packaged encoder of a checkpoint lies: beside it."""
    return Path(checkpoint).resolve().parent / "encoder"


def finds_documents(task: Task) -> bool:
    """Whether ``task`` finds texts of a catalogue for a text alone, so that it can share an encoder pass."""
    others = task.inputs.model_dump(exclude={"text"}, exclude_defaults=True)
    return task.kind == "retrieval" and bool(task.inputs.text) and not (task.feature_service or others)


def branches(suite: Suite) -> list[str]:
    """The tasks that read texts through layers of their own."""
    return [task.name for task in suite.tasks if task.own_layers]


def package_encoder(predictor: Predictor, out: Path) -> None:
    """Convert the trunk, encode the documents and write the folder ``out``, replaced whole.

    Raises:
        StorageError: the disk refuses.
    """
    with atomic_folder(out) as folder, torch.inference_mode():
        tasks = (None, *branches(predictor.checkpoint.suite))
        if not all([save_trunk(predictor.model.encoder_of(task), folder, task) for task in tasks]):
            for path in folder.glob("trunk*"):
                path.unlink()  # torch holds the layers that all share once, and so must serve all of them or none
        for task in filter(finds_documents, predictor.checkpoint.suite.tasks):
            np.save(folder / f"{task.name}.npy", predictor.index(task.name).vectors_VD.numpy())
        seal(folder, predictor.checkpoint.digest)


def open_encoder(folder: Path, predictor: Predictor) -> None:
    """Verify ``folder`` and give the predictor its documents' vectors; without a folder they are encoded when needed.

    Raises:
        ReleaseError: the folder belongs to another checkpoint, or a file differs from its manifest.
    """
    if not folder.is_dir():
        return
    verify_seal(folder, predictor.checkpoint.digest)
    for task in filter(finds_documents, predictor.checkpoint.suite.tasks):
        vectors_VD = torch.from_numpy(np.load(folder / f"{task.name}.npy"))
        predictor.use_item_vectors(task.name, vectors_VD)
