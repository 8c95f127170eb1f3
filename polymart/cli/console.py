"""One console, and progress that suits where it is read: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Advance = Callable[[int], None]
"""Tell that so many more units are done."""

_LINE_SHARE = 0.1
_LINE_EVERY_S = 5.0
_PLAIN_WIDTH = 120


def is_plain() -> bool:
    """True where bars would only litter a log: under ``CI=true``, or where stderr is no terminal."""
    import sys

    return os.environ.get("CI", "").lower() in ("1", "true") or not sys.stderr.isatty()


@cache
def console(*, stderr: bool = False) -> Console:
    """The console of this process; results go to stdout, progress and errors to stderr."""
    from rich.console import Console

    # A log has no width of its own; Rich would wrap tables at 80.
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=_PLAIN_WIDTH)


@contextmanager
def progress(description: str, total: int, *, unit: str = "steps") -> Iterator[Advance]:
    """Show how far a loop is, its rate and the time left, while the block runs.

    Args:
        description: what is being done.
        total: units to be done in all, at least 1.
        unit: the plural name of what is counted.

    Yields:
        A function to call with the number of units just done.
    """
    if is_plain():
        yield PlainProgress(description, total, unit=unit)
    else:
        with _bar(description, total, unit) as advance:
            yield advance


class PlainProgress:
    """Progress as lines: one after each tenth of the whole, or after 5 s without one.

    Args:
        description: what is being done.
        total: units to be done in all.
        unit: the plural name of what is counted.
        write: takes a line; the console by default.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        description: str,
        total: int,
        *,
        unit: str = "steps",
        write: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._description, self._total, self._unit = description, max(total, 1), unit
        self._write = write or (lambda line: console(stderr=True).print(line, markup=False))
        self._clock = clock
        self._start = self._told_at = clock()
        self._done = self._told = 0

    def __call__(self, count: int = 1) -> None:
        self._done += count
        now = self._clock()
        step = self._done - self._told
        finished = self._done >= self._total > self._told
        if finished or step >= _LINE_SHARE * self._total or (step and now - self._told_at >= _LINE_EVERY_S):
            self._told, self._told_at = self._done, now
            self._write(self._line(now - self._start))

    def _line(self, elapsed_s: float) -> str:
        rate = self._done / elapsed_s if elapsed_s > 0 else 0.0
        left_s = max(self._total - self._done, 0) / rate if rate else 0.0
        return (
            f"{self._description}: {self._done}/{self._total} {self._unit} ({self._done / self._total:.0%}), "
            f"{rate:.1f} {self._unit}/s, {left_s:.0f} s left"
        )


@contextmanager
def _bar(description: str, total: int, unit: str) -> Iterator[Advance]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True)) as bars:
        task = bars.add_task(description, total=total, rate="")

        def advance(count: int = 1) -> None:
            bars.advance(task, count)
            speed = bars.tasks[0].speed
            bars.update(task, rate=f"{speed:.1f} {unit}/s" if speed else "")

        yield advance
