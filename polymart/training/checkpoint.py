"""Checkpoint: a folder of safetensors and JSON (never pickle), written whole and verified when read.

``model.safetensors``, ``config.json`` (encoder shape), ``tokenizer.json``, ``suite.json``,
``tasks.json`` (`TaskState` of each task), ``items/<name>.parquet`` (the items that a retrieval task finds) and
``manifest.json`` (sha256 of every other file, written last).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model
from tokenizers import Tokenizer

from polymart.config import Suite
from polymart.data.items import items_path, read_items
from polymart.data.tables import write_table
from polymart.errors import CheckpointError
from polymart.files import atomic_folder, digest_file, digest_text, read_json, write_json
from polymart.model.elsewhere import EncodedElsewhere
from polymart.model.multitask import MultiTaskModel
from polymart.model.statistics import InputStatistics
from polymart.model.texts import fit_tokenizer
from polymart.tasks import TargetStatistics

if TYPE_CHECKING:
    from polymart.model.encoder import TextEncoder

MANIFEST = "manifest.json"


class TaskState(BaseModel):
    """What a head needs besides its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: list[str] | None
    """The label map: position to name; None for tasks whose label is a number."""
    statistics: InputStatistics
    target: TargetStatistics = TargetStatistics()
    """What the kind learned from the labels: scale, temperature and thresholds."""
    data_origin: str
    """Where the labels come from: real, real-redated, authored, derived or synthetic."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory."""

    model: MultiTaskModel
    tokenizer: Tokenizer
    suite: Suite
    """The suite with only the tasks that were trained."""
    tasks: Mapping[str, TaskState]
    items: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Item table by name; see `polymart.data.items`."""
    digest: str = ""
    """Digest of the manifest; empty before it was written."""


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> str:
    """Write ``checkpoint`` atomically and return its digest.

    Raises:
        StorageError: the disk refuses.
    """
    with atomic_folder(folder) as temporary:
        with as_os_error():
            save_model(checkpoint.model, str(temporary / "model.safetensors"))
        checkpoint.model.encoder.transformer.config.save_pretrained(temporary)
        (temporary / "tokenizer.json").write_text(checkpoint.tokenizer.to_str(pretty=True))
        (temporary / "suite.json").write_text(checkpoint.suite.to_json())
        write_json(temporary / "tasks.json", {n: s.model_dump(mode="json") for n, s in checkpoint.tasks.items()})
        for name, items in checkpoint.items.items():
            write_table(items_path(temporary, name), pa.Table.from_pandas(items, preserve_index=False))
        files = {path.relative_to(temporary).as_posix(): digest_file(path) for path in _files(temporary)}
        write_json(temporary / MANIFEST, {"version": 1, "files": files})
        return checkpoint_digest(temporary)


@contextmanager
def as_os_error() -> Iterator[None]:
    """safetensors reports a refused write as an error of its own; turn it back into the system's."""
    try:
        yield
    except SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error


def checkpoint_digest(folder: Path) -> str:
    """Digest of a checkpoint's manifest, hence of all its files; empty where it has none (a torn write)."""
    return digest_text((folder / MANIFEST).read_text()) if (folder / MANIFEST).is_file() else ""


def verify_checkpoint(folder: Path) -> str:
    """Compare every file with the manifest and return the digest.

    Raises:
        CheckpointError: the manifest is absent (a torn write), or no manifest; a file is absent, differs, or is not
            in the manifest.
    """
    if not (folder / MANIFEST).is_file():
        raise CheckpointError(
            f"{folder} is not a whole checkpoint: {MANIFEST} is absent",
            remedy="train again, or restore the folder from its release",
        )
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict):
        raise CheckpointError(
            f"{folder / MANIFEST} lists no files", remedy="restore the folder from its release, or train again"
        )
    for name, expected in files.items():
        found = digest_file(folder / name) if (folder / name).is_file() else "absent"
        if found != expected:
            raise CheckpointError(
                f"checkpoint file {folder / name} must have {expected}, found {found}",
                remedy="restore the file from its release, or train again",
            )
    foreign = {path.relative_to(folder).as_posix() for path in _files(folder)} - {*files, MANIFEST}
    if foreign:
        raise CheckpointError(
            f"checkpoint {folder} holds files that its manifest does not name: {', '.join(sorted(foreign))}",
            remedy="take them out, or restore the folder from its release",
        )
    return checkpoint_digest(folder)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def load_checkpoint(folder: Path | str, *, encoder: bool = True) -> Checkpoint:
    """Read and verify a checkpoint.

    Args:
        folder: written by `save_checkpoint`.
        encoder: whether to load the text encoder; without it the model takes vectors of texts, but no texts.

    Raises:
        CheckpointError: see `verify_checkpoint`; also weights that do not fit the suite.
    """
    folder = Path(folder)
    digest = verify_checkpoint(folder)
    suite = Suite.from_json((folder / "suite.json").read_text(), origin=str(folder / "suite.json"))
    tasks = {name: TaskState.model_validate(state) for name, state in read_json(folder / "tasks.json").items()}
    tokenizer = fit_tokenizer(Tokenizer.from_file(str(folder / "tokenizer.json")), suite.encoder.max_tokens)
    model = MultiTaskModel.build(
        _empty_encoder(folder, suite) if encoder else _no_encoder(folder),
        suite.tasks,
        {n: s.statistics for n, s in tasks.items()},
        {n: s.labels for n, s in tasks.items()},
    )
    try:
        _fill(model, folder / "model.safetensors", encoder)
    except (RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"weights in {folder} do not fit its suite: {error}", remedy="train again") from error
    items = {name: read_items(folder, name) for name in sorted({task.items for task in suite.tasks if task.items})}
    return Checkpoint(model.eval(), tokenizer, suite, tasks, items, digest)


def _empty_encoder(folder: Path, suite: Suite) -> TextEncoder:
    from polymart.model.encoder import TextEncoder  # slow to import, and a server may never need it

    settings = suite.encoder
    return TextEncoder.from_config(folder, settings.trainable_layers, settings.adapter, suite.training.max_steps)


def _no_encoder(folder: Path) -> TextEncoder:
    return cast("TextEncoder", EncodedElsewhere(read_json(folder / "config.json")["hidden_size"]))


def _fill(model: MultiTaskModel, weights: Path, encoder: bool) -> None:
    if encoder:
        load_model(model, str(weights))
        return
    with safe_open(weights, "pt") as file:
        names = [name for name in file.keys() if not name.startswith(("encoder.", "branches."))]  # noqa: SIM118
        model.load_state_dict({name: file.get_tensor(name) for name in names})
