"""What a release tells of its gates, one line each."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from polymart.evaluation.records import Outcome, Verdict

LONGEST = 500
"""Characters of a line."""
Line = Annotated[str, Field(pattern=r"^[^\r\n]*$", max_length=LONGEST)]


class Part(BaseModel):
    """Base of a manifest and its parts: immutable, strict, numbers finite, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class GateLine(Part):
    """One gate of the verdict, kept in the release so that a commit can show it."""

    gate: Line
    task: Line
    outcome: Outcome
    number: float | None
    """The number that decided; none if it could not be computed."""
    rule: Line
    """The rule in words, with its threshold."""
    low: float | None = None
    high: float | None = None
    """The interval, where there is one."""
    cause: Line = ""
    """Why the gate did not pass; empty where it did."""


def gate_lines(verdict: Verdict) -> list[GateLine]:
    """Every gate of a verdict."""
    return [
        GateLine(
            gate=gate.gate,
            task=gate.task,
            outcome=gate.outcome,
            number=_finite(gate.number),
            rule=_line(gate.rule),
            low=_finite(gate.low),
            high=_finite(gate.high),
            cause=_line(gate.cause),
        )
        for gate in verdict.gates
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _line(text: str) -> str:
    """One line that a manifest may hold; what is cut stands in ``verdict.json``."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 4]} ..."
