"""The run page: one self-contained HTML file about one run of the training pipeline."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, Verdict
from polymart.gates import worst

WIDTH, HEIGHT = 320, 120


def render_page(
    suite: Suite,
    evaluation: Evaluation,
    verdict: Verdict,
    *,
    log: Mapping[str, Any],
    tables: Mapping[str, Any],
    facts: Mapping[str, str],
    steps: Mapping[str, tuple[str, float]],
    release: str = "",
    replaced_by: str = "",
    drift: Mapping[str, str] | None = None,
    plot: bytes = b"",
) -> str:
    """The page as HTML; every value is escaped.

    Args:
        log: the training log (``loss``, ``validation``, ``best_step``, ``precision`` ...).
        tables: content of ``tables.json``; its rules are listed with their row counts.
        facts: name to value, e.g. data and code versions.
        steps: step to (state, seconds).
        release: name of the release, empty if the gate stayed shut.
        replaced_by: the release that runs instead of this run's.
        drift: ``href`` and ``action`` of the monitoring pass.
        plot: PNG of the training's curves, put into the page; left out where empty.
    """
    environment = Environment(
        loader=PackageLoader("polymart.evaluation", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    outcomes = {
        task.task: worst(gate.outcome for gate in verdict.gates if gate.task == task.task) for task in evaluation.tasks
    }
    curves = [_curves(task.task, log) for task in evaluation.tasks]
    return environment.get_template("page.html.j2").render(
        suite=suite,
        evaluation=evaluation,
        verdict=verdict,
        outcomes=outcomes,
        log=log,
        tables=tables,
        facts=facts,
        steps=steps,
        release=release,
        replaced_by=replaced_by,
        drift=drift,
        plot=b64encode(plot).decode(),
        curves=curves,
        width=WIDTH,
        height=HEIGHT,
        scale=_scale,
        best_step=log["best_step"],
    )


def _curves(task: str, log: Mapping[str, Any]) -> dict[str, Any]:
    """SVG points of a task's training and validation loss over steps."""
    train = _smooth([(row["step"], row[task]) for row in log["loss"] if task in row])
    val = [(row["step"], row[task]) for row in log["validation"] if task in row]
    both = train + val
    last, top = max((x for x, _ in both), default=1), max((y for _, y in both), default=1.0)
    bottom = min((y for _, y in both), default=0.0)
    span = (top - bottom) or 1.0

    def points(rows: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{WIDTH * x / last:.1f},{HEIGHT - HEIGHT * (y - bottom) / span:.1f}" for x, y in rows)

    return {
        "task": task,
        "train": points(train),
        "val": points(val),
        "top": top,
        "bottom": bottom,
        "best_x": WIDTH * log["best_step"] / last,
    }


def _smooth(rows: Sequence[tuple[float, float]], keep: float = 0.8) -> list[tuple[float, float]]:
    """Exponential moving average; a single micro-batch is too noisy to read."""
    smoothed, mean = [], None
    for step, value in rows:
        mean = value if mean is None else keep * mean + (1 - keep) * value
        smoothed.append((step, mean))
    return smoothed


def _scale(task: Any) -> dict[str, float]:
    """Percent positions of interval, value and floor on the bar of one task."""
    scores = [task.score, task.floor_score, *([task.baseline_score] if task.baseline_score else [])]
    low, high = min(s.low for s in scores), max(s.high for s in scores)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return round(4 + 92 * (value - low) / span, 2)

    return {
        "low": place(task.score.low),
        "high": place(task.score.high),
        "value": place(task.score.value),
        "floor": place(task.floor_score.value),
        "baseline": place(task.baseline_score.value) if task.baseline_score else -1,
    }
