"""What happened in a training, as plain lists for the tracking server, the plot and the run page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Row = dict[str, float]

CURVES = {
    "metric": "metric on validation rows",
    "gradient_norm": "norm of the trunk gradient",
    "conflict": "cosine of two tasks' trunk gradients",
    "weight": "effective weight p w",
    "examples_per_s": "training examples a second",
    "tokens_per_s": "real tokens a second",
}
"""The curves beside the losses, one row per validation: what each task's number (of ``conflict``: each pair's) is."""


@dataclass
class TrainingLog:
    """Every list holds rows with ``step`` and numbers by task; nothing else, so that it is JSON as it stands."""

    loss: list[Row] = field(default_factory=list)
    """One row per step: the mean unit-scaled loss of every task that took part."""
    validation: list[Row] = field(default_factory=list)
    """One row per validation: each task's loss and ``mean``, which decides (see `validation_mean`)."""
    curves: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in CURVES})
    """The curves of `CURVES`."""
    best_step: int = 0
    stopped_early: bool = False
    examples: int = 0
    """Training examples seen."""
    tokens: int = 0
    """Real tokens seen, padding left out."""
    micro_batches: dict[str, int] = field(default_factory=dict)
    """Micro-batches of each task."""
    seconds: float = 0.0
    """Time of training and validation, that of an interrupted run's saved part included."""
    cpu_seconds: float = 0.0
    """Processor time of the same, summed over threads and processes."""
    gpu_seconds: float = 0.0
    """Time for which GPUs were held, summed over them; 0 where none was."""
    examples_per_s: float = 0.0
    precision: str = "float32"
    peak_memory_gb: float = 0.0
    """Most main memory that the process held at once."""

    def add(self, curve: str, step: int, numbers: Mapping[str, float]) -> None:
        """Append a row to ``curve``."""
        self.curves[curve].append({"step": step, **numbers})
