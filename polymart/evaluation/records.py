"""The files ``evaluation.json`` and ``verdict.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from polymart.files import read_json, write_json

Outcome = Literal["pass", "fail", "inconclusive"]


class Record(BaseModel):
    """Base of the records: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(Record):
    """A metric with its percentile interval."""

    value: float
    low: float
    high: float


class TaskEvaluation(Record):
    """One task on its test examples."""

    task: str
    kind: str
    metric: str
    greater_is_better: bool
    score: Score
    floor: str
    """Name of the floor."""
    floor_score: Score
    gain: Score
    """Model minus floor, oriented so that positive is better; paired over clusters."""
    gain_lower_bound: float
    """One-sided lower bound of the gain."""
    baseline: str | None = None
    """Name of the classical baseline, where the kind has one."""
    baseline_score: Score | None = None
    num_examples: int
    num_clusters: int
    data_origin: str
    others: dict[str, float] = {}
    """The kind's other metrics, without intervals."""


class Evaluation(Record):
    """All tasks of a checkpoint."""

    version: Literal[1] = 1
    suite: str
    checkpoint: str
    """Digest of the checkpoint."""
    confidence: float
    resamples: int
    tasks: list[TaskEvaluation]
    skipped: dict[str, str] = {}
    """Tasks left out, with the reason and the way to mend it."""

    def write(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """Read ``evaluation.json``."""
        return cls.model_validate(read_json(path))


class GateResult(Record):
    """One gate: what was asked, what was found."""

    gate: str
    task: str
    outcome: Outcome
    number: float
    """The number that decided."""
    rule: str
    """The rule in words, with its threshold."""


class Verdict(Record):
    """Whether the candidate may become a release."""

    version: Literal[1] = 1
    overall: Outcome
    gates: list[GateResult]

    @property
    def passed(self) -> bool:
        return self.overall == "pass"

    def write(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> Verdict:
        """Read ``verdict.json``."""
        return cls.model_validate(read_json(path))
