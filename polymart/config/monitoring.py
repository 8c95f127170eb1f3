"""When monitoring asks for a retraining."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated

from pydantic import Field, model_validator

from polymart.config.base import Fraction, Frozen

TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class QuietHours(Frozen):
    """Hours of the day, in UTC, in which no retraining begins; they may span midnight."""

    start: TimeOfDay
    """First minute, e.g. ``07:00``."""
    end: TimeOfDay
    """First minute after them, e.g. ``22:00``."""

    @model_validator(mode="after")
    def _not_empty(self) -> QuietHours:
        if self.start == self.end:
            raise ValueError(f"quiet hours must not begin and end at the same time, found {self.start} twice")
        return self

    def hold_at(self, clock: datetime) -> bool:
        """Whether ``clock`` lies in them."""
        start, end, now = time.fromisoformat(self.start), time.fromisoformat(self.end), clock.time()
        return start <= now < end if start < end else now >= start or now < end


class Monitoring(Frozen):
    """What the monitoring pass compares and when it decides to retrain."""

    share_of_drifted_columns: Fraction = 0.3
    """A window is bad when at least this share of the watched columns drifted."""
    max_performance_loss: Fraction = 0.2
    """A window is bad, too, when labelled performance is worse than on the validation rows by more than this share:
    that is its gate. Below it a release is rolled back if the one before it would still pass."""
    min_labelled_rows: int = Field(100, ge=1)
    """Labelled rows of a window from which its performance counts."""
    max_rows: int = Field(20_000, ge=100)
    """Rows sampled from each side for what profiles cannot tell: signals, how alike rows of one time are."""
    bad_windows: int = Field(2, ge=1)
    """Bad windows among the last ``of_windows``, the newest among them, that ask for retraining."""
    of_windows: int = Field(5, ge=1)
    min_severity: float = Field(0.05, ge=0, le=1)
    """Least severity that starts a retraining: the task's weight, as a share of the heaviest task's, times the drifted
    share of its columns (1 where performance misses the gate)."""
    cooldown_days: int = Field(7, ge=0)
    """Days after a retraining in which none is started."""
    retrainings_per_week: int = Field(2, ge=0)
    """Retrainings started in any seven days, failed ones included; 0 never retrains."""
    quiet_hours: QuietHours | None = None
    """When no retraining begins; none if absent."""
    window_days: int = Field(14, ge=1)
    """Length of one window of event time."""

    @model_validator(mode="after")
    def _windows(self) -> Monitoring:
        if self.bad_windows > self.of_windows:
            raise ValueError(f"bad_windows ({self.bad_windows}) must not exceed of_windows ({self.of_windows})")
        return self
