"""The feedback log: what became of answers, one row per told outcome, in parquet by hour (`serving.log.hourly`).

It lies in ``feedback/`` below the prediction log, with which it is joined (`serving.events.labels`). Rows are only
ever added: who tells something else later is believed by the time of what was done.
"""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pyarrow as pa

from serving.contract import FeedbackRequest
from serving.log.hourly import HourlyLog, Row
from serving.log.scrub import scrub

FOLDER = "feedback"
FEEDBACK = pa.schema({
    "prediction_id": pa.string(),
    "event_timestamp": pa.timestamp("us"),  # when it was told; naive UTC
    "done_timestamp": pa.timestamp("us"),  # when it was done; naive UTC
    "task": pa.string(),  # null: whichever tasks the answer tells of
    "outcome": pa.string(),
    "item": pa.string(),  # the entry that it concerns, as text; null: the answer as a whole
})  # fmt: skip


class FeedbackLog(HourlyLog):
    """Writes feedback below the folder of a prediction log."""

    def __init__(self, prediction_log: Path) -> None:
        super().__init__(prediction_log / FOLDER, FEEDBACK, "feedback")

    def tell(self, feedback: FeedbackRequest) -> None:
        """Queue one outcome without waiting."""
        told = feedback.model_dump(exclude={"at"}, exclude_none=True)
        self.add(told | ({"done_timestamp": feedback.at.astimezone(UTC).replace(tzinfo=None)} if feedback.at else {}))

    def render(self, row: Row) -> Row:
        """The columns of `FEEDBACK`; what was done at no told time was done when it was told."""
        item = row.get("item")
        done = row.get("done_timestamp", row["event_timestamp"])
        return row | {"done_timestamp": done, "item": None if item is None else scrub(str(item))}
