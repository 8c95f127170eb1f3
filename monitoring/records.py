"""What the decision reads and returns."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Action = Literal["keep", "watch", "retrain", "rollback"]
Rule = Literal["severity", "cool_down", "in_flight", "same_data", "budget", "quiet_hours", "hold"]
"""What can hold back a retraining that is due."""


class Record(BaseModel):
    """Base of monitoring's nouns: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WindowSummary(Record):
    """One window of one task, as the decision sees it. Times are naive UTC."""

    task: str
    start: datetime
    end: datetime
    num_columns: int = Field(ge=0)
    """Columns judged; 0 means that drift could not be judged."""
    num_drifted: int = Field(ge=0)
    failures: tuple[str, ...] = ()
    """Quality failures; any makes the window broken."""
    alarms: tuple[str, ...] = ()
    """Signals that moved and are expected to cost the task more than it may lose; any makes the window bad."""
    data_digest: str = ""
    weight: float = Field(1.0, gt=0)
    """The task's weight; only ratios between tasks matter."""
    performance: float | None = None
    """Labelled performance of the released model; None where labels are not known yet, or too few."""
    previous_performance: float | None = None
    """The previous release's performance on the same rows; None where unknown."""
    previous_note: str = ""
    """Why the previous release's performance is unknown."""
    gate: float | None = None
    """The value that performance must reach; None where unknown."""
    higher_is_better: bool = True

    @property
    def share(self) -> float:
        """Drifted share of the judged columns, 0 to 1."""
        return self.num_drifted / self.num_columns if self.num_columns else 0.0

    @property
    def misses_gate(self) -> bool:
        """Whether labelled performance is known to be below the gate."""
        return self._below(self.performance)

    @property
    def previous_passes(self) -> bool:
        """Whether the previous release's performance is known to reach the gate."""
        return None not in (self.previous_performance, self.gate) and not self._below(self.previous_performance)

    def _below(self, value: float | None) -> bool:
        if value is None or self.gate is None:
            return False
        return value < self.gate if self.higher_is_better else value > self.gate

    @model_validator(mode="after")
    def _counts(self) -> WindowSummary:
        if self.num_drifted > self.num_columns:
            raise ValueError(f"num_drifted ({self.num_drifted}) must not exceed num_columns ({self.num_columns})")
        return self


class Hold(Record):
    """A person's word that nothing is retrained for a while."""

    by: str
    reason: str
    until: datetime
    """On the wall clock, naive UTC."""


class Run(Record):
    """A retraining that was claimed and has not ended."""

    name: str
    data_digest: str
    run_id: str = ""
    """The orchestrator's name for it; empty where it was never told to have started."""
    url: str = ""
    num_starts: int = 0


class RetrainState(Record):
    """What is known of earlier retrainings."""

    started: tuple[datetime, ...] = ()
    """When each was decided, on the clock of `decide`: event time, naive UTC; oldest first."""
    in_flight: Run | None = None
    retrained_digests: tuple[str, ...] = ()
    """Digests of the data that were retrained on already, or are being retrained on."""
    hold: Hold | None = None


class Decision(Record):
    """What was decided and why."""

    action: Action
    reasons: tuple[str, ...] = Field(min_length=1)
    """With numbers; those of the deciding task first."""
    task: str = ""
    """The deciding task (for keep: the one with the latest window); empty when there was nothing to judge."""
    severity: float = 0.0
    """0 to 1: the task's weight, as a share of the heaviest task's, times how bad its window is."""
    blocked_by: tuple[Rule, ...] = ()
    """Rules that hold back a retraining which is due; asked again at the next pass, even on the same data."""
    decided_at: datetime
    window_start: datetime | None = None
    window_end: datetime | None = None
    data_digest: str = ""
    command: str = ""
    """What retrain or rollback submits; for keep and watch what would be submitted next."""
    rollback_command: str = ""
    """How to return to the release before this one, whatever was decided."""
