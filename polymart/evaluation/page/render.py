"""Puts the parts of the run page together."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from polymart.config import Suite
from polymart.evaluation.page import changes, charts
from polymart.evaluation.records import Evaluation, Outcome, Score, Verdict
from polymart.gates.verdict import SEVERITY, worst

MARKS = {"pass": "✓", "fail": "✕", "inconclusive": "?"}
"""An outcome is told by a word and a sign, never by its colour alone."""


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
    champion_suite: Suite | None = None,
    plot: bytes = b"",
) -> str:
    """The page as HTML; every value is escaped, and nothing is loaded from elsewhere.

    Args:
        log: the training log (``loss``, ``validation``, ``best_step``, ``precision`` ...).
        tables: content of ``tables.json``; its rules are listed with their row counts.
        facts: name to value, e.g. data and code versions.
        steps: step to (state, seconds).
        release: name of the release, empty if the gate stayed shut.
        replaced_by: the release that runs instead of this run's.
        drift: ``href`` and ``action`` of the monitoring pass.
        champion_suite: what the champion was trained by; None where nothing was released before or it is gone.
        plot: PNG of the training's curves, put into the page; left out where empty.
    """
    outcomes, missed = _by_task(evaluation, verdict), [gate for gate in verdict.gates if gate.outcome != "pass"]
    return _environment().get_template("page.html.j2").render(
        suite=suite,
        evaluation=evaluation,
        verdict=verdict,
        missed=sorted(missed, key=lambda gate: -SEVERITY.index(gate.outcome)),
        tasks=sorted(evaluation.tasks, key=lambda task: -SEVERITY.index(outcomes[task.task])),
        outcomes=outcomes,
        log=log,
        tables=tables,
        facts=facts,
        steps=steps,
        release=release,
        replaced_by=replaced_by,
        drift=drift,
        against=changes.by_gain(evaluation),
        suite_changes=changes.suite_changes(champion_suite, suite) if champion_suite else None,
        plot=b64encode(plot).decode(),
    )  # fmt: skip


def _by_task(evaluation: Evaluation, verdict: Verdict) -> dict[str, Outcome]:
    """The worst outcome among the gates of each task."""
    return {
        task.task: worst(gate.outcome for gate in verdict.gates if gate.task == task.task) for task in evaluation.tasks
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("polymart.evaluation.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "gain": _gain, "interval": _interval, "gain_interval": _gain_interval}
    environment.filters["in_margins"] = changes.in_margins
    environment.globals |= {"charts": charts, "direction": changes.direction, "marks": MARKS}
    return environment


def _number(value: float | None) -> str:
    """Three decimals, or two digits where these would hide a small number."""
    if value is None or not math.isfinite(value):
        return "not computable"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.01 else f"{value:.2g}"


def _gain(value: float) -> str:
    """With its sign; one decimal more where three would hide it."""
    if not math.isfinite(value):
        return _number(value)
    if abs(value) < 0.00005:
        return "0"
    return f"{value:+.{3 if abs(value) >= 0.01 else 4}f}".replace("-", "−")


def _interval(score: Score) -> str:
    return f"[{_number(score.low)}, {_number(score.high)}]"


def _gain_interval(score: Score) -> str:
    return f"[{_gain(score.low)}, {_gain(score.high)}]"
