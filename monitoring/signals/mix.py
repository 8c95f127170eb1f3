"""A new mix of customers: the shares of each slice's groups, and the share of rows from clusters never seen before."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from monitoring.schema import Signal
from monitoring.signals.means import compare_means
from monitoring.signals.rows import Found, Rows, grouped
from monitoring.signals.shares import compare_shares
from polymart.config import Task

NEW = "new"
"""Column of example rows: 1 where training saw nothing of the row's cluster."""
NEW_FLOOR = 0.2
"""Rise of the share of rows from new clusters that matters."""


def watch_mix(task: Task, rows: Rows) -> Iterator[Found]:
    """Who is in a window.

    Args:
        task: the task.
        rows: example rows with the slices' columns, as `mark_new` marks them.
    """
    for slice_, named in grouped(task, rows):
        for number, change in compare_shares(named, "group"):
            yield number, Signal(name="mix", kind="mix", task=task.name, slice=slice_.name, **change._asdict())
    for number, change in compare_means(rows.held_out, NEW, NEW_FLOOR, sign=1):
        yield number, Signal(name=f"new {task.cluster}", kind="mix", task=task.name, **change._asdict())


def mark_new(rows: pd.DataFrame) -> pd.DataFrame:
    """Example rows with the column `NEW`; call it before they are sampled, or whoever is not in the sample is new."""
    known = rows.loc[rows["split"] == "train", "cluster"].unique()
    return rows.assign(**{NEW: (~rows["cluster"].isin(known)).astype(float)})
