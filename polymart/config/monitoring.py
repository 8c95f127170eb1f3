"""When monitoring asks for a retraining."""

from __future__ import annotations

from pydantic import Field, model_validator

from polymart.config.base import Fraction, Frozen


class Monitoring(Frozen):
    """What the monitoring pass compares and when it decides to retrain."""

    share_of_drifted_columns: Fraction = 0.3
    """A window is bad when at least this share of the watched columns drifted."""
    max_rows: int = Field(20_000, ge=100)
    """Rows sampled from each side for the drift tests."""
    bad_windows: int = Field(2, ge=1)
    """Bad windows among the last ``of_windows``, the newest among them, that ask for retraining."""
    of_windows: int = Field(5, ge=1)
    cooldown_days: int = Field(7, ge=0)
    """Days after a retraining in which none is started."""
    window_days: int = Field(14, ge=1)
    """Length of one window of event time."""

    @model_validator(mode="after")
    def _windows(self) -> Monitoring:
        if self.bad_windows > self.of_windows:
            raise ValueError(f"bad_windows ({self.bad_windows}) must not exceed of_windows ({self.of_windows})")
        return self
