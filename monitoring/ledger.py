"""The store of monitoring: an append-only log of every decision, retraining, outcome and hold.

``ledger.jsonl`` is the only truth; the state of retrainings is added up from it. A line counts from the moment that
it is on the disk with its line end: what a crash leaves half-written is cut off before the next line is appended.
Two lock files keep processes apart, ``.lock`` for a pass and ``.retraining.lock`` for who starts or follows a
retraining; the operating system frees them when their holder dies.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from monitoring.entries import ENTRY, Decided, Entry, fold
from monitoring.records import Decision, RetrainState
from polymart.errors import MonitoringError
from polymart.files import canonical_json, storage_errors

LEDGER = "ledger.jsonl"


@dataclass(frozen=True)
class Ledger:
    """The store in ``folder``, which is made when first written."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / LEDGER

    def entries(self) -> list[Entry]:
        """Every line, oldest first.

        Raises:
            MonitoringError: a line is no entry. An unreadable guard must not pass for "never retrained".
        """
        *lines, _torn = self.path.read_bytes().split(b"\n") if self.path.exists() else [b""]
        return [self._parse(number, line) for number, line in enumerate(lines, start=1)]

    def _parse(self, number: int, line: bytes) -> Entry:
        try:
            return ENTRY.validate_json(line)
        except ValidationError as error:
            raise MonitoringError(
                f"{self.path} line {number} is not an entry of the ledger: {error}",
                remedy="restore the file from a backup; delete it only if no retraining is running",
            ) from error

    def state(self) -> RetrainState:
        """What is known of earlier retrainings.

        Raises:
            MonitoringError: the ledger is damaged.
        """
        return fold(self.entries())

    def append(self, entry: Entry) -> None:
        """Add a line; it is on the disk when this returns.

        Raises:
            StorageError: the disk refuses.
        """
        line = canonical_json(entry.model_dump(mode="json")).encode() + b"\n"
        with self._held(".append.lock"), open(self.path, "a+b") as handle:
            handle.truncate(_whole(self.path))
            handle.write(line)
            handle.flush()
            os.fsync(handle.fileno())

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Keep other monitoring passes waiting."""
        with self._held(".lock"):
            yield

    @contextmanager
    def retraining(self) -> Iterator[bool]:
        """Be the only process that starts or follows a retraining; False where another one is."""
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = open(self.folder / ".retraining.lock", "w")  # noqa: SIM115
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    @contextmanager
    def _held(self, name: str) -> Iterator[None]:
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / name, "w") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield


def _whole(path: Path) -> int:
    """Bytes up to the last line end."""
    return path.read_bytes().rfind(b"\n") + 1


def decisions(entries: list[Entry]) -> list[Decided]:
    """The decisions among ``entries``."""
    return [entry for entry in entries if isinstance(entry, Decided)]


def recall(entries: list[Entry], inputs_digest: str, at: datetime) -> tuple[int, Decision | None]:
    """The newest decision on these inputs at that time of theirs, and where it stands; (their number, None) if none."""
    for place, entry in reversed(list(enumerate(entries))):
        if isinstance(entry, Decided) and (entry.inputs_digest, entry.decision.decided_at) == (inputs_digest, at):
            return place, entry.decision
    return len(entries), None


def newest_decision(entries: list[Entry]) -> Decision | None:
    """The decision that stands; None before the first."""
    taken = decisions(entries)
    return taken[-1].decision if taken else None
