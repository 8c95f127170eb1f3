"""The gate: no task of the suite may fall below its floor. Inconclusive does not pass."""

from __future__ import annotations

from polymart.config import Suite
from polymart.errors import GateError
from polymart.evaluation.records import Evaluation, GateResult, Outcome, TaskEvaluation, Verdict


def gate_suite(evaluation: Evaluation, suite: Suite) -> Verdict:
    """Judge every evaluated task; the verdict passes only if every gate passes.

    A task passes iff the one-sided lower bound of (metric - floor) exceeds -margin. It fails iff even the upper
    end of the interval does not; anything between, and fewer than ``gates.min_examples`` examples, is inconclusive.

    Raises:
        GateError: nothing was evaluated.
    """
    if not evaluation.tasks:
        raise GateError(
            f"evaluation of suite {evaluation.suite!r} holds no task, so nothing can be gated",
            remedy="fetch data for at least one task and train again",
        )
    gates = [_floor_gate(task, suite) for task in evaluation.tasks]
    return Verdict(overall=_overall([gate.outcome for gate in gates]), gates=gates)


def _floor_gate(task: TaskEvaluation, suite: Suite) -> GateResult:
    margin = suite.task(task.task).margin
    rule = (
        f"{suite.gates.confidence:.0%} lower bound of the gain in {task.metric} over {task.floor} > {-margin or 0:g} "
        f"on at least {suite.gates.min_examples} examples (found {task.num_examples})"
    )
    return GateResult(
        gate="floor",
        task=task.task,
        outcome=_outcome(task, margin, suite.gates.min_examples),
        number=task.gain_lower_bound,
        rule=rule,
    )


def _outcome(task: TaskEvaluation, margin: float, min_examples: int) -> Outcome:
    # Written so that NaN (one class only, nothing to compare) can never pass.
    if task.num_examples < min_examples:
        return "inconclusive"
    if task.gain_lower_bound > -margin:
        return "pass"
    return "fail" if task.gain.high <= -margin else "inconclusive"


def _overall(outcomes: list[Outcome]) -> Outcome:
    if "fail" in outcomes:
        return "fail"
    return "inconclusive" if "inconclusive" in outcomes else "pass"
