"""The curves of one training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polymart.files import atomic_path
from polymart.training.log import CURVES, Row, TrainingLog

SIZE, DPI = (15, 9), 80
SMOOTHING = 0.9
"""Share of the past in the moving average of the training loss; one micro-batch alone is too noisy to read."""


def plot_training(log: TrainingLog, path: Path) -> None:
    """Write losses, metrics, gradients, conflicts, weights and speed of each task as a PNG.

    Raises:
        StorageError: the disk refuses.
    """
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    panels = dict(zip(["loss", *CURVES], figure.subplots(2, 4).flat, strict=False))
    names = sorted({name for row in log.validation for name in row} - {"step", "mean"})
    colours = {name: f"C{i % 10}" for i, name in enumerate(names)}
    styles = {name: ("-", "--", ":")[i // 10 % 3] for i, name in enumerate(names)}
    for name in names:
        look = {"color": colours[name], "linestyle": styles[name]}
        panels["loss"].plot(*_smooth(_points(log.loss, name)), alpha=0.4, **look)
        panels["loss"].plot(*_points(log.validation, name), marker=".", label=name, **look)
        for curve in set(CURVES) - {"conflict"}:
            panels[curve].plot(*_points(log.curves[curve], name), marker=".", **look)
    _plot_conflicts(panels["conflict"], log.curves["conflict"])
    for curve, title in {"loss": "unit-scaled loss: validation (dots), training", **CURVES}.items():
        panels[curve].set_title(title, fontsize=10)
        panels[curve].set_xlabel("step", fontsize=8)
        panels[curve].axvline(log.best_step, color="black", linewidth=0.5)
    if log.curves["gradient_norm"]:
        panels["gradient_norm"].set_yscale("log")
    legend = figure.axes[-1]
    legend.axis("off")
    legend.legend(*panels["loss"].get_legend_handles_labels(), loc="center", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _plot_conflicts(axes: Axes, rows: Sequence[Row]) -> None:
    """Every pair in grey; pairs are many, so only the line of no conflict is named."""
    for pair in sorted({name for row in rows for name in row} - {"step"}):
        axes.plot(*_points(rows, pair), color="grey", alpha=0.4, marker=".")
    axes.axhline(0, color="black", linestyle=":", linewidth=0.8)
    axes.set_ylim(-1, 1)


def _points(rows: Sequence[Row], name: str) -> tuple[list[float], list[float]]:
    """Steps and values of the rows that know ``name``."""
    known = [(row["step"], row[name]) for row in rows if name in row]
    return [step for step, _ in known], [value for _, value in known]


def _smooth(points: tuple[list[float], list[float]]) -> tuple[list[float], list[float]]:
    steps, values = points
    means: list[float] = []
    for value in values:
        means.append(SMOOTHING * means[-1] + (1 - SMOOTHING) * value if means else value)
    return steps, means
