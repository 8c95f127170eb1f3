"""Is a task at least as good as a reference, up to a margin? Floor, champion and single-task model ask the same."""

from __future__ import annotations

import math

from polymart.config import Suite
from polymart.evaluation.records import GateResult, Score, TaskEvaluation
from polymart.gates.base import decide, result, scored, shown, too_few


def hold_against(
    gate: str,
    task: TaskEvaluation,
    suite: Suite,
    *,
    reference: str,
    reference_score: Score,
    gain: Score,
    bound: float,
    margin: float,
) -> GateResult:
    """Pass iff the one-sided lower bound of the gain exceeds -margin; fail iff even the upper end does not.

    Anything between is inconclusive, and so are too few examples.

    Args:
        gate: name of the gate.
        task: what was measured.
        suite: confidence and fewest examples.
        reference: what the task is held against, e.g. ``the champion shop-0123456789ab``.
        reference_score: the reference's metric on the same rows.
        gain: task minus reference, oriented so that positive is better.
        bound: one-sided lower bound of the gain.
        margin: how far below 0 the bound may lie, in metric units.
    """
    few = too_few(task, suite)
    outcome = "inconclusive" if few else decide(bound > -margin, gain.high <= -margin)
    return result(
        gate,
        task.task,
        outcome,
        bound,
        f"{suite.gates.confidence:.0%} lower bound of the gain in {task.metric} over {reference} > {-margin or 0:g} "
        f"on at least {suite.gates.min_examples} examples (found {task.num_examples})",
        few or _cause(task, reference, reference_score, gain, bound, margin),
        gain,
    )


def _cause(
    task: TaskEvaluation, reference: str, reference_score: Score, gain: Score, bound: float, margin: float
) -> str:
    if math.isnan(gain.value) or math.isnan(bound):
        return f"{scored(task)} cannot be compared with {reference}: the difference is no number"
    worse = "below" if task.greater_is_better else "above"
    better = "above" if task.greater_is_better else "below"
    found = (
        f"{shown(abs(gain.value))} {better if gain.value > 0 else worse} {reference} ({shown(reference_score.value)})"
    )
    if gain.high > -margin:
        found += f" but may be {shown(max(-bound, 0.0))} {worse} it"
    allowed = f"{shown(margin)} is allowed" if margin else f"it must be {better} for certain"
    return f"{scored(task)} is {found}; {allowed}"
