"""What a model version is tagged with: all that leads from it back to data, code and the decision to release it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polymart.config import Suite
from polymart.data.example_index import ExamplesIndex
from polymart.evaluation.records import Evaluation, Verdict

EXAMPLES, FEATURE_SERVICE = "examples.", "feature_service."
"""Tags of each task: the digest of its example table, and the feature service that filled it."""
COSTS = ("seconds", "cpu_seconds", "gpu_seconds")
"""Fields of the training log that say what the training took."""


def version_tags(
    suite: Suite, evaluation: Evaluation, verdict: Verdict, log: Mapping[str, Any], examples: ExamplesIndex
) -> dict[str, str]:
    """Tags by name; what is not known has no tag."""
    tags = {
        "suite": suite.digest,
        "checkpoint": evaluation.checkpoint,
        "examples": examples.digest,
        "verdict": verdict.overall,
        "gates_not_passed": _not_passed(verdict),
        "override": str(verdict.override or ""),
        "champion": evaluation.champion,
    }
    tags |= {f"training_{name}": f"{log[name]:.1f}" for name in COSTS if log.get(name)}
    for task in suite.tasks:
        if task.name in examples.tasks:
            tags[EXAMPLES + task.name] = examples.tasks[task.name].digest
            tags[FEATURE_SERVICE + task.name] = task.feature_service or ""
    return {name: value for name, value in tags.items() if value}


def _not_passed(verdict: Verdict) -> str:
    """``<gate>: <tasks>``, joined by ``;``."""
    tasks: dict[str, list[str]] = {}
    for gate in verdict.gates:
        if gate.outcome != "pass":
            tasks.setdefault(gate.gate, []).append(gate.task)
    # A gate of the whole candidate names no task; a task may have several slices.
    return "; ".join(f"{gate}: {', '.join(sorted(set(of)))}".removesuffix(": ") for gate, of in tasks.items())
