"""Where the marks of the run page's small charts lie, in SVG units; a number that is none has no place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from polymart.evaluation.records import Calibration, Score, TaskEvaluation

WIDTH, HEIGHT = 160, 22
"""Of a chart in a table's row."""
CURVE_WIDTH, CURVE_HEIGHT = 320, 120
SQUARE = 120
"""Sides of a reliability plot."""
MOST_MARGINS = 8.0
EDGE = 7
"""Room left and right of the outermost marks."""


class Axis(NamedTuple):
    """A range of numbers laid over a chart's width."""

    low: float
    high: float

    def place(self, value: float) -> float | None:
        """The x of ``value``, at the edge where it lies outside."""
        if math.isnan(value):
            return None
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(EDGE + (WIDTH - 2 * EDGE) * min(max(share, 0.0), 1.0), 1)


def axis_over(numbers: Iterable[float]) -> Axis:
    """The axis from the least to the greatest number."""
    known = [number for number in numbers if math.isfinite(number)]
    return Axis(min(known, default=0.0), max(known, default=1.0))


def task_marks(task: TaskEvaluation) -> dict[str, float | None]:
    """Places of a task's interval and value, and of those it is held against."""
    others = {
        "floor": task.floor_score,
        "classical": task.baseline_score,
        "single_task": task.single_task.score if task.single_task else None,
        "champion": task.champion.score if task.champion else None,
    }
    points = {name: score.value for name, score in others.items() if score}
    axis = axis_over([task.score.low, task.score.high, task.score.value, *points.values()])
    marks = {"low": task.score.low, "high": task.score.high, "value": task.score.value} | points
    return dict.fromkeys(others) | {name: axis.place(value) for name, value in marks.items()}


def gain_marks(gain: Score, axis: Axis) -> dict[str, float | None]:
    """Places of a gain with its interval, and of no gain."""
    marks = {"low": gain.low, "high": gain.high, "value": gain.value, "zero": 0.0}
    return {name: axis.place(value) for name, value in marks.items()}


def gain_axis(gains: Iterable[Score]) -> Axis:
    """One axis for gains that are to be compared; holds 0."""
    return axis_over([0.0, *(end for gain in gains for end in (gain.low, gain.high))])


def margin_axis(gains: Iterable[Score]) -> Axis:
    """One axis for gains in units of their margins; the farthest lie at its edge, so that near ones can be told."""
    least, most = gain_axis(gains)
    return Axis(min(-2.0, max(least, -MOST_MARGINS)), max(2.0, min(most, MOST_MARGINS)))


def reliability(calibration: Calibration) -> dict[str, Any]:
    """The line through the bins and a circle for each, as large as it has examples."""
    most = max((found.num_examples for found in calibration.bins), default=1)
    circles = [
        (SQUARE * found.confidence, SQUARE * (1 - found.rate), 2 + 3 * math.sqrt(found.num_examples / most))
        for found in calibration.bins
    ]
    return {"circles": circles, "line": " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in circles)}


def curves(task: str, log: Mapping[str, Any]) -> dict[str, Any]:
    """Points of a task's training and validation loss over steps."""
    train = _smooth([(row["step"], row[task]) for row in log["loss"] if task in row])
    val = [(row["step"], row[task]) for row in log["validation"] if task in row]
    both = train + val
    last, top = max((x for x, _ in both), default=1), max((y for _, y in both), default=1.0)
    bottom = min((y for _, y in both), default=0.0)
    span = (top - bottom) or 1.0

    def points(rows: Sequence[tuple[float, float]]) -> str:
        places = ((CURVE_WIDTH * x / last, CURVE_HEIGHT * (1 - (y - bottom) / span)) for x, y in rows)
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)

    best = CURVE_WIDTH * log["best_step"] / last
    return {"task": task, "train": points(train), "val": points(val), "top": top, "bottom": bottom, "best_x": best}


def _smooth(rows: Sequence[tuple[float, float]], keep: float = 0.8) -> list[tuple[float, float]]:
    """Exponential moving average; a single micro-batch is too noisy to read."""
    smoothed, mean = [], None
    for step, value in rows:
        mean = value if mean is None else keep * mean + (1 - keep) * value
        smoothed.append((step, mean))
    return smoothed
