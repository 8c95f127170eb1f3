"""Scores of classical baselines, kept: they follow from a task's examples alone, so that every later candidate, and
every later run, reads what the first one fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from polymart.config import Task
from polymart.files import atomic_path, canonical_json, digest_text
from polymart.version import library_version

CODE = ("evaluation/baselines.py", "evaluation/classical.py", "evaluation/retrieval.py", "model/statistics.py", "tasks")
"""Parts of the library that decide the scores."""
LIBRARIES = ("scikit-learn", "bm25s")
Named = tuple[str, np.ndarray]
"""A baseline's name and its scores of the test rows."""


@dataclass(frozen=True)
class Kept:
    """Where the baseline of one task is kept."""

    folder: Path | None
    """Holds ``<task>-<digest>.npz`` of every task; None keeps nothing."""
    examples: str
    """Digest of the task's examples."""

    def scores(
        self, task: Task, labels: Sequence[str] | None, seed: int, make: Callable[[], Named | None]
    ) -> Named | None:
        """What ``make`` returns, made once.

        Args:
            task: what a baseline reads of it decides, and neither its gates nor its slices.
            labels: the label map.
            seed: of the models that draw numbers.
            make: fits the baseline; None where the kind has none, which costs nothing and is not kept.
        """
        if self.folder is None:
            return make()
        read = task.model_dump(mode="json", include={"kind", "inputs", "label", "metric", "items"})
        versions = [library_version(*CODE), *map(version, LIBRARIES)]
        key = digest_text(canonical_json([self.examples, read, labels, seed, versions])).removeprefix("sha256:")[:16]
        path = self.folder / f"{task.name}-{key}.npz"
        if path.is_file():
            with np.load(path) as found:
                return str(found["name"]), found["scores"]
        made = make()
        if made is not None:
            with atomic_path(path) as temporary, open(temporary, "wb") as handle:  # savez would add a suffix to a name
                np.savez(handle, name=np.array(made[0]), scores=made[1])
        return made
