"""A new mix of customers: the shares of each slice's groups, and the share of rows from clusters never seen before."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.schema import Signal
from monitoring.signals.means import compare_means
from monitoring.signals.rows import Found, Rows, grouped
from monitoring.signals.shares import compare_shares
from polymart.config import Task

NEW_FLOOR = 0.2
"""Rise of the share of rows from new clusters that matters."""


def watch_mix(task: Task, rows: Rows) -> Iterator[Found]:
    """Who is in a window.

    Args:
        task: the task.
        rows: example rows with the slices' columns; ``split`` tells the training rows.
    """
    for slice_, named in grouped(task, rows):
        for number, change in compare_shares(named, "group"):
            yield number, Signal(name="mix", kind="mix", task=task.name, slice=slice_.name, **change._asdict())
    known = rows.reference.loc[rows.reference["split"] == "train", "cluster"].unique()
    marked = rows.map(lambda part: part.assign(new=(~part["cluster"].isin(known)).astype(float)))
    for number, change in compare_means(marked.held_out, "new", NEW_FLOOR, sign=1):
        yield number, Signal(name=f"new {task.cluster}", kind="mix", task=task.name, **change._asdict())
