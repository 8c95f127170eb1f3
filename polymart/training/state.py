"""The state from which an interrupted training goes on, bit for bit: safetensors and JSON (never pickle).

A state folder holds one folder per saved step, ``step-00000200`` with ``tensors.safetensors``, ``state.json`` and
``manifest.json`` (sha256 of both, and whose training it is). A folder gets its name when it is whole; the one before
is deleted only then, and the newest one that matches its manifest is read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from polymart.files import atomic_folder, digest_file, read_json, storage_errors, write_json
from polymart.training.checkpoint import as_os_error

MANIFEST = "manifest.json"
TENSORS, REST = "tensors.safetensors", "state.json"
MARK = "$tensor"


def save_state(folder: Path, step: int, key: str, state: Mapping[str, Any]) -> Path:
    """Write the state of ``step`` below ``folder`` and delete older ones.

    Args:
        folder: the state folder.
        step: the last step done.
        key: whose training it is; only a training with the same key goes on from it.
        state: nested dicts and lists of tensors and JSON values.

    Raises:
        StorageError: the disk refuses; the state before stays.
    """
    target = folder / f"step-{step:08d}"
    with atomic_folder(target) as temporary:
        tensors, rest = _split(state)
        with as_os_error():
            save_file(tensors, temporary / TENSORS)
        (temporary / REST).write_text(json.dumps(rest))
        files = {name: digest_file(temporary / name) for name in (TENSORS, REST)}
        write_json(temporary / MANIFEST, {"version": 1, "key": key, "files": files})
    for path in folder.iterdir():
        if path != target:
            shutil.rmtree(path, ignore_errors=True)
    return target


def load_state(folder: Path, key: str) -> tuple[dict[str, Any] | None, str]:
    """The newest whole state below ``folder`` and a line that says what was found; None where training starts anew."""
    found = sorted(folder.glob("step-*"), reverse=True) if folder.is_dir() else []
    for path in found:
        manifest = _manifest(path)
        if manifest is None:
            continue
        if manifest["key"] != key:
            return None, f"the state in {folder} is of another suite, data, code or device: training starts anew"
        rest = json.loads((path / REST).read_text())
        return _join(rest, load_file(path / TENSORS)), f"training goes on after step {int(path.name[5:])}"
    return None, f"no state in {folder} is whole: training starts anew" if found else ""


def delete_states(folder: Path) -> None:
    """Remove the state folder of a training that is over."""
    with storage_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a saved step, or None where a file is absent or differs."""
    if not (path / MANIFEST).is_file():
        return None
    manifest: dict[str, Any] = read_json(path / MANIFEST)
    whole = all((path / n).is_file() and digest_file(path / n) == d for n, d in manifest["files"].items())
    return manifest if whole else None


def _split(state: Any) -> tuple[dict[str, Tensor], Any]:
    """Tensors by their path in ``state``, and ``state`` with their paths in their places."""
    tensors: dict[str, Tensor] = {}

    def walk(value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            tensors[path] = value.detach().cpu().contiguous().clone()
            return {MARK: path}
        if isinstance(value, Mapping):
            return {str(name): walk(part, f"{path}.{name}") for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [walk(part, f"{path}.{i}") for i, part in enumerate(value)]
        return value

    rest = walk(state, "state")
    return tensors, rest


def _join(rest: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(rest, dict):
        return tensors[rest[MARK]] if MARK in rest else {name: _join(part, tensors) for name, part in rest.items()}
    return [_join(part, tensors) for part in rest] if isinstance(rest, list) else rest
