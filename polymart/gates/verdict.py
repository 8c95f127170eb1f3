"""The verdict: every gate in turn, and the worst of their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from polymart.config import Suite
from polymart.errors import GateError
from polymart.evaluation.records import Evaluation, GateResult, Outcome, Override, Verdict
from polymart.gates.bar import bar
from polymart.gates.calibration import calibration
from polymart.gates.champion import champion
from polymart.gates.fairness import fairness
from polymart.gates.feature_age import feature_age
from polymart.gates.floor import floor
from polymart.gates.integrity import integrity
from polymart.gates.latency import latency, model_latency
from polymart.gates.leakage import leakage
from polymart.gates.probe import probe as probe_gate
from polymart.gates.single_task import single_task
from polymart.gates.size import size
from polymart.gates.slices import slices

Gate = Callable[[Evaluation, Suite], Iterator[GateResult]]
"""Judges an evaluation: a result for each task or thing that it looks at, none where the suite does not ask."""

EVALUATION_GATES: tuple[Gate, ...] = (
    integrity, floor, bar, champion, single_task, slices, fairness, calibration, leakage, feature_age, size,
    model_latency,
)  # fmt: skip
SEVERITY: tuple[Outcome, ...] = ("pass", "inconclusive", "fail")


def judge(evaluation: Evaluation, suite: Suite, override: Override | None = None) -> Verdict:
    """Judge a candidate by everything but its started bento; it passes only if every gate passes.

    Args:
        evaluation: what was measured.
        suite: what is asked for.
        override: by whom and why a candidate that does not pass is let through.

    Raises:
        GateError: nothing was evaluated.
        SuiteError: a task was evaluated that the suite does not know.
    """
    if not (evaluation.tasks or evaluation.defects):
        raise GateError(
            f"evaluation of suite {evaluation.suite!r} holds no task, so nothing can be gated",
            remedy="fetch data for at least one task and train again",
        )
    # What a broken checkpoint scored, if anything, says nothing.
    gates = (integrity,) if evaluation.defects else EVALUATION_GATES
    return _verdict([found for gate in gates for found in gate(evaluation, suite)], override)


def judge_release(verdict: Verdict, probe: Mapping[str, Any] | None, suite: Suite) -> Verdict:
    """The final verdict: ``verdict`` with the gates of the started bento.

    Args:
        verdict: from `judge`.
        probe: as `probe_bento` writes it; None where the candidate was not packaged.
        suite: what is asked for.
    """
    started = [] if probe is None else [probe_gate(probe), *latency(probe, suite)]
    final = _verdict([*verdict.gates, *started], verdict.override)
    return final.model_copy(update={"override": None}) if final.passed else final  # nobody had to


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst outcome; where nothing was judged, nothing passed."""
    return max(outcomes, key=SEVERITY.index, default="inconclusive")


def explain(verdict: Verdict) -> list[str]:
    """A line for each gate that did not pass, with its cause, the worst first, and one for an override."""
    missed = [gate for gate in verdict.gates if gate.outcome != "pass"]
    missed.sort(key=lambda gate: -SEVERITY.index(gate.outcome))
    override = [f"override: {verdict.override}"] if verdict.override else []
    return [*(f"{gate.outcome} {gate.gate}: {gate.cause}" for gate in missed), *override]


def _verdict(gates: list[GateResult], override: Override | None) -> Verdict:
    return Verdict(overall=worst(gate.outcome for gate in gates), gates=gates, override=override)
