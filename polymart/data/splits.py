"""Which period an example belongs to: train, validation, test, or purged because its label window crosses a border.

An example is decided at ``event_timestamp``, one second before its label window opens at the latest, and its label
is known at ``label_end`` (the last second of the window). A border is the midnight, on the shop's clock, at which
a period begins. The window of a unit that begins exactly on the border (a campaign of that day, a basket in that
second) opens in the later period although the decision falls one second before it: periods are therefore told by
``event_timestamp`` plus one second.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from polymart.config import Split
from polymart.data.tables import TIME_ZONE
from polymart.errors import TableError

LEAD = pd.Timedelta(seconds=1)
"""Time between the decision and the opening of the label window."""
SPLITS = ("train", "val", "test")


def border(day: date) -> pd.Timestamp:
    """The midnight that begins ``day`` on the shop's clock, as naive UTC."""
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(TIME_ZONE))
    return pd.Timestamp(local).tz_convert("UTC").tz_localize(None)


def assign_split(event_timestamp: pd.Series, label_end: pd.Series, split: Split) -> pd.Series:
    """``train``, ``val``, ``test`` or ``purged`` for each example.

    train: the label window ends before ``val_from``. val: it opens at ``val_from`` or later and ends before
    ``test_from``. test: it opens at ``test_from`` or later. Everything else crosses a border and is purged, so
    that no label of an earlier period holds information of a later one.

    Args:
        event_timestamp: moments of decision, naive UTC.
        label_end: last seconds of the label windows, naive UTC.
        split: the borders, as days on the shop's clock.

    Raises:
        TableError: a timestamp is missing, or a label window ends before it opens.
    """
    broken = ~(label_end >= event_timestamp + LEAD)
    if broken.any():
        raise TableError(
            f"{int(broken.sum())} of {len(broken)} label windows end before they open (event_timestamp + 1 s) "
            f"or lack a timestamp, e.g. row {broken.idxmax()}: "
            f"{event_timestamp[broken].iloc[0]} to {label_end[broken].iloc[0]}",
            remedy="correct event_timestamp and label_end of the label table",
        )
    opens, val_from, test_from = event_timestamp + LEAD, border(split.val_from), border(split.test_from)
    conditions = [label_end < val_from, (opens >= val_from) & (label_end < test_from), opens >= test_from]
    values = np.select([condition.to_numpy() for condition in conditions], SPLITS, default="purged")
    return pd.Series(values, index=event_timestamp.index, name="split", dtype=object)
