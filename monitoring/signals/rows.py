"""The rows that signals are measured on: a reference beside consecutive windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from monitoring.schema import Signal
from polymart.config import Task


class Span(NamedTuple):
    """Event times of a window: ``start`` belongs to it, ``end`` does not; naive UTC."""

    start: datetime
    end: datetime


Found = tuple[int, Signal]
"""Number of a window and a signal of it."""


@dataclass(frozen=True)
class Rows:
    """One table of a task: what it usually holds, and what it held in each window.

    Attributes:
        reference: rows of the past; ``cluster`` names what is independent, ``event_timestamp`` may be missing.
        windows: rows of consecutive windows, oldest first.
        window_days: length of a window.
    """

    reference: pd.DataFrame
    windows: tuple[pd.DataFrame, ...]
    window_days: int

    def map(self, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Rows:
        """The same change on every part."""
        return Rows(change(self.reference), tuple(change(rows) for rows in self.windows), self.window_days)

    def where(self, column: str, value: object) -> Rows:
        """The rows whose ``column`` is ``value``."""
        return self.map(lambda rows: rows[rows[column] == value])

    @cached_property
    def usual_windows(self) -> tuple[pd.DataFrame, ...]:
        """The reference cut into windows of the same length; none where it has no event times.

        They show how far windows differ when nothing is wrong: a shop has weeks.
        """
        if "event_timestamp" not in self.reference or not len(self.reference):
            return ()
        times = self.reference["event_timestamp"]
        if times.isna().all():
            return ()
        number = (times - times.min().normalize()) // pd.Timedelta(days=self.window_days)
        return tuple(rows for _, rows in self.reference.groupby(number))


def cut(rows: pd.DataFrame, spans: list[Span]) -> tuple[pd.DataFrame, ...]:
    """The rows of each window."""
    times = rows["event_timestamp"]
    return tuple(rows[(times >= span.start) & (times < span.end)] for span in spans)


def slices_of(task: Task, rows: Rows) -> Iterator[tuple[str, Rows]]:
    """The rows of each group of the task's slices that the reference knows; slices whose column is absent are left out.

    Groups are named as the evaluation names them.
    """
    from polymart.evaluation.slices import groups_of  # lazily: it brings torch along

    for slice_ in task.slices:
        if any(slice_.column not in part for part in (rows.reference, *rows.windows)):
            continue
        name = f"{slice_.name} (slice)"
        grouped = _grouped(rows, lambda part, slice_=slice_: groups_of(part, slice_).astype(str), name)
        for group in sorted(grouped.reference[name].unique()):
            yield f"{slice_.name}: {group}", grouped.where(name, group)


def _grouped(rows: Rows, group: Callable[[pd.DataFrame], pd.Series], name: str) -> Rows:
    """``rows`` with their group; all parts are grouped together, so that rare values go by one name everywhere."""
    parts = [rows.reference, *rows.windows]
    together = group(pd.concat(parts, ignore_index=True)).to_numpy()
    ends = pd.Series([len(part) for part in parts]).cumsum()
    named = [part.assign(**{name: together[end - len(part) : end]}) for part, end in zip(parts, ends, strict=True)]
    return Rows(named[0], tuple(named[1:]), rows.window_days)
