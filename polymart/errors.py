"""Every error that Polymart raises for a user's mistake or a broken input.

::

    PolymartError
    ├── SettingError      a setting of the environment is missing or contradictory
    ├── SuiteError        a suite file is malformed
    ├── DataError
    │   ├── ArchiveError  an archive cannot be had, or its checksum differs
    │   ├── TableError    a table breaks its schema or a stated rule
    │   └── LabelError    a label stands outside its label map
    ├── CheckpointError   a checkpoint is torn, foreign or does not match its manifest
    ├── TrainingError     a loss became NaN, or a task has nothing to learn from
    ├── GateError         a verdict cannot be computed or is bypassed
    ├── ReleaseError      a release cannot be packaged, probed, promoted or rolled back
    ├── ServingError      a request cannot be answered (maps to a 4xx or 503)
    ├── MonitoringError   a window, profile or decision is unusable
    └── StorageError      a disk is full, read-only or otherwise refuses a write

A message names the thing, the rule and the value found; ``remedy`` says what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class PolymartError(Exception):
    """Base of every error that is shown to a user without a traceback.

    Args:
        message: the thing, the rule and the value found, in one sentence.
        remedy: what the reader can do about it, in one sentence.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  remedy: {self.remedy}" if self.remedy else self.message


class SettingError(PolymartError):
    """A setting of the environment is missing or contradictory."""


class SuiteError(PolymartError):
    """A suite file is malformed."""


class DataError(PolymartError):
    """Data is absent or unusable."""


class ArchiveError(DataError):
    """An archive cannot be had, or its checksum differs from the pinned one."""


class TableError(DataError):
    """A table breaks its schema or a stated rule."""


class LabelError(DataError):
    """A label stands outside its label map."""


class CheckpointError(PolymartError):
    """A checkpoint is torn, foreign or does not match its manifest."""


class TrainingError(PolymartError):
    """A loss became NaN, or a task has nothing to learn from."""


class GateError(PolymartError):
    """A verdict cannot be computed."""


class ReleaseError(PolymartError):
    """A release cannot be packaged, probed, promoted or rolled back."""


class ServingError(PolymartError):
    """A request cannot be answered."""


class MonitoringError(PolymartError):
    """A window, profile or decision is unusable."""


class StorageError(PolymartError):
    """A disk is full, read-only or otherwise refuses a write."""


@contextmanager
def shown_to_user(*others: type[Exception]) -> Iterator[None]:
    """End the process with the message alone when a `PolymartError` leaves the block.

    A pipeline step runs in a process of its own, whose log is what its user reads: the message stands there on
    lines that start with ``error:``, without a traceback, and the exit status is 2.

    Args:
        others: further exceptions whose message is meant for a user (``feature_repo`` raises built-in ones, since
            it may import no other room).
    """
    shown: tuple[type[Exception], ...] = (PolymartError, *others)
    try:
        yield
    except shown as error:
        for line in str(error).splitlines():
            print(f"error: {line}", flush=True)
        raise SystemExit(2) from None
