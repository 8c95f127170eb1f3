"""The rows that signals are measured on: a reference beside consecutive windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from monitoring.schema import Signal
from monitoring.window import Window
from polymart.config import Slice, Task
from polymart.errors import TableError
from polymart.evaluation.groups import groups_of

Found = tuple[int, Signal]
"""Number of a window and a signal of it."""
PAST = "past"
"""Column of the reference: the number of its own window, -1 for a row without event time."""


@dataclass(frozen=True)
class Rows:
    """One table of a task: what it usually holds, and what it held in each window.

    Attributes:
        reference: rows of the past, with ``cluster`` (what is independent) and ``past``.
        windows: rows of consecutive windows, oldest first, with ``cluster``.
    """

    reference: pd.DataFrame
    windows: tuple[pd.DataFrame, ...]

    @classmethod
    def of(cls, reference: pd.DataFrame, windows: Sequence[pd.DataFrame], window_days: int) -> Rows:
        """Rows whose reference is cut into windows of the same length, too.

        They show how far windows differ when nothing is wrong: a shop has weeks.
        """
        times = reference["event_timestamp"]
        number = (times - times.min()) // pd.Timedelta(days=window_days)
        return cls(reference.assign(**{PAST: number.fillna(-1).astype("int64")}), tuple(windows))

    def map(self, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Rows:
        """The same change on every part."""
        return Rows(change(self.reference), tuple(change(rows) for rows in self.windows))

    def where(self, column: str, value: object) -> Rows:
        """The rows whose ``column`` is ``value``."""
        return self.map(lambda rows: rows[rows[column] == value])

    @property
    def held_out(self) -> Rows:
        """Without the training rows in the reference: nothing of a training row can be unseen."""
        return Rows(self.reference[self.reference["split"] != "train"], self.windows)

    @cached_property
    def past_windows(self) -> tuple[pd.DataFrame, ...]:
        """The reference's own windows, oldest first."""
        return tuple(rows for _, rows in self.reference[self.reference[PAST] >= 0].groupby(PAST))

    def has(self, column: str | None) -> bool:
        """Whether every part has the column."""
        return column is not None and all(column in part for part in (self.reference, *self.windows))


def cut(rows: pd.DataFrame, spans: Sequence[Window]) -> tuple[pd.DataFrame, ...]:
    """The rows of each window."""
    times = rows["event_timestamp"]
    return tuple(rows[(times >= span.start) & (times < span.end)] for span in spans)


def sample(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most ``most`` rows; which ones depends on their ids alone."""
    ids = rows["example_id"].astype(str).to_numpy(object)
    return rows.iloc[np.argsort(pd.util.hash_array(ids), kind="stable")[:most]]


def grouped(task: Task, rows: Rows) -> Iterator[tuple[Slice, Rows]]:
    """The rows with their ``group`` of each slice whose column is there; groups are named as the evaluation names them.

    All parts are grouped together, so that rare values go by one name everywhere.
    """
    parts = [rows.reference, *rows.windows]
    ends = np.cumsum([len(part) for part in parts])[:-1]
    for slice_ in task.slices:
        if not rows.has(slice_.column):
            continue
        column = pd.concat([part[[slice_.column]] for part in parts], ignore_index=True)
        try:
            groups = groups_of(column, slice_).astype(str).to_numpy(object)
        except TableError:  # words where numbers should be: the checks of data quality say so
            continue
        named = [part.assign(group=group) for part, group in zip(parts, np.split(groups, ends), strict=True)]
        yield slice_, Rows(named[0], tuple(named[1:]))


def slices_of(task: Task, rows: Rows) -> Iterator[tuple[str, Rows]]:
    """The rows of each group of the task's slices that the reference knows."""
    for slice_, named in grouped(task, rows):
        for group in sorted(named.reference["group"].unique()):
            yield f"{slice_.name}: {group}", named.where("group", group)
