"""What the decision reads and returns."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Action = Literal["keep", "watch", "retrain", "rollback"]


class Record(BaseModel):
    """Base of monitoring's nouns: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WindowSummary(Record):
    """One window of one task, as the decision sees it. Times are naive UTC."""

    task: str
    start: datetime
    end: datetime
    num_columns: int = Field(ge=0)
    """Columns judged; 0 means that the window could not be judged."""
    num_drifted: int = Field(ge=0)
    failures: tuple[str, ...] = ()
    """Quality failures; any makes the window broken."""
    data_digest: str = ""
    performance: float | None = None
    """Labelled performance of the released model; None where labels are not known yet."""
    previous_performance: float | None = None
    """The previous release's performance on the same rows; None where unknown."""
    gate: float | None = None
    """The value that performance must reach; None where unknown."""
    higher_is_better: bool = True

    @model_validator(mode="after")
    def _counts(self) -> WindowSummary:
        if self.num_drifted > self.num_columns:
            raise ValueError(f"num_drifted ({self.num_drifted}) must not exceed num_columns ({self.num_columns})")
        return self


class RetrainState(Record):
    """What is known of earlier retrainings."""

    last_retrain_at: datetime | None = None
    """On the clock of `decide`: event time, naive UTC."""
    in_flight: bool = False
    retrained_digests: tuple[str, ...] = ()
    """Digests of the data that were retrained on already."""


class Decision(Record):
    """What was decided and why."""

    action: Action
    reasons: tuple[str, ...] = Field(min_length=1)
    """With numbers; those of the deciding task first."""
    task: str = ""
    """The deciding task (for keep: the one with the latest window); empty when there was nothing to judge."""
    decided_at: datetime
    window_start: datetime | None = None
    window_end: datetime | None = None
    data_digest: str = ""
    command: str = ""
    """What retrain or rollback submits; for keep and watch what would be submitted next."""
