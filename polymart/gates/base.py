"""What every gate shares: how an outcome follows from comparisons, and how numbers are written."""

from __future__ import annotations

from polymart.config import Suite
from polymart.evaluation.records import GateResult, Outcome, Score, TaskEvaluation


def decide(passes: bool, fails: bool) -> Outcome:
    """Pass, fail, or inconclusive where neither is sure.

    Both questions are asked as comparisons: NaN makes every comparison false, so it can never pass.
    """
    if passes:
        return "pass"
    return "fail" if fails else "inconclusive"


def result(
    gate: str,
    task: str,
    outcome: Outcome,
    number: float,
    rule: str,
    cause: str,
    interval: Score | None = None,
) -> GateResult:
    """A gate's result; the cause is kept where it did not pass.

    Args:
        gate: its name.
        task: empty where the whole candidate is concerned.
        outcome: see `decide`.
        number: what decided.
        rule: the rule in words, with its threshold.
        cause: why it did not pass, in one sentence.
        interval: of the quantity that is judged, where it has one.
    """
    return GateResult(
        gate=gate,
        task=task,
        outcome=outcome,
        number=number,
        rule=rule,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        cause="" if outcome == "pass" else cause,
    )


def too_few(task: TaskEvaluation, suite: Suite) -> str:
    """The cause where a task has too few examples to be judged; empty where it has enough."""
    least = suite.gates.min_examples
    if task.num_examples >= least:
        return ""
    return f"{task.task}: {task.num_examples} test examples are too few to judge {task.metric}, {least} are needed"


def shown(value: float) -> str:
    """Three decimals; two digits where these would hide a small number."""
    return f"{value:.3f}" if value == 0 or not abs(value) < 0.01 else f"{value:.2g}"


def scored(task: TaskEvaluation) -> str:
    """The task's metric with its interval, e.g. ``intent: accuracy 0.871 [0.859, 0.883]``."""
    return f"{task.task}: {task.metric} {with_interval(task.score)}"


def with_interval(score: Score) -> str:
    """E.g. ``0.871 [0.859, 0.883]``."""
    return f"{shown(score.value)} [{shown(score.low)}, {shown(score.high)}]"
