"""The state folder: what was decided and what was retrained on.

``state.json`` is a `RetrainState`; ``decisions.jsonl`` beside it holds one line per inputs and window, and is only
ever appended to. A lock file keeps two monitoring passes, or a pass and a submission, apart.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from monitoring.records import Decision, RetrainState
from polymart.errors import MonitoringError
from polymart.files import canonical_json, read_json, storage_errors, write_json

LEDGER = "decisions.jsonl"


def load_state(state_file: Path | None) -> RetrainState:
    """The state of earlier retrainings; the empty state where there is no file.

    Raises:
        MonitoringError: the file is no retraining state. An unreadable guard must not pass for "never retrained".
        StorageError: the file is not JSON.
    """
    if state_file is None or not state_file.exists():
        return RetrainState()
    try:
        return RetrainState.model_validate(read_json(state_file))
    except ValidationError as error:
        raise MonitoringError(
            f"{state_file} is not a retraining state: {error}",
            remedy="restore it from a backup; delete it only if no retraining is running",
        ) from error


@contextmanager
def locked(state_file: Path) -> Iterator[None]:
    """Hold the state folder's lock; other processes wait.

    Raises:
        StorageError: the folder cannot be written.
    """
    with storage_errors(state_file):
        state_file.parent.mkdir(parents=True, exist_ok=True)
        with open(state_file.parent / ".lock", "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def claim_retraining(state_file: Path, data_digest: str, at: datetime) -> bool:
    """Mark a retraining as in flight, once per data digest; call it before submitting.

    Args:
        state_file: the state.
        data_digest: the data that will be retrained on (`Decision.data_digest`).
        at: `Decision.decided_at`; starts the cool-down.

    Returns:
        False if one is in flight or these data were retrained on already: then do not submit.
    """
    with locked(state_file):
        state = load_state(state_file)
        if state.in_flight or data_digest in state.retrained_digests:
            return False
        write_json(
            state_file,
            RetrainState(
                last_retrain_at=at, in_flight=True, retrained_digests=(*state.retrained_digests, data_digest)
            ).model_dump(mode="json"),
        )
        return True


def finish_retraining(state_file: Path, *, succeeded: bool) -> None:
    """Mark the retraining as over. After a failure its data may be retrained on again, after the cool-down."""
    with locked(state_file):
        state = load_state(state_file)
        if not state.in_flight:
            return
        digests = state.retrained_digests if succeeded else state.retrained_digests[:-1]
        write_json(
            state_file,
            state.model_copy(update={"in_flight": False, "retrained_digests": digests}).model_dump(mode="json"),
        )


def _key(inputs_digest: str, decision: Decision) -> tuple[str, str, str]:
    return inputs_digest, str(decision.window_start), str(decision.window_end)


def _entries(path: Path) -> Iterator[tuple[str, Decision]]:
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
            yield entry["inputs_digest"], Decision.model_validate(entry["decision"])
        except (json.JSONDecodeError, KeyError, TypeError, ValidationError):
            continue  # a line torn by a crash: its window is decided again


def recall(state_file: Path, inputs_digest: str) -> Decision | None:
    """The decision already taken on these inputs, if any: a second pass repeats it instead of judging anew."""
    for digest, decision in _entries(state_file.parent / LEDGER):
        if digest == inputs_digest:
            return decision
    return None


def record(state_file: Path, inputs_digest: str, decision: Decision) -> None:
    """Append a decision unless one stands for the same inputs and window."""
    path = state_file.parent / LEDGER
    if any(_key(digest, other) == _key(inputs_digest, decision) for digest, other in _entries(path)):
        return
    line = canonical_json({"inputs_digest": inputs_digest, "decision": decision.model_dump(mode="json")}) + "\n"
    with storage_errors(path), open(path, "a+b") as handle:
        if handle.tell() and not _ends_with_newline(path):
            line = "\n" + line
        handle.write(line.encode())
        handle.flush()
        os.fsync(handle.fileno())


def _ends_with_newline(path: Path) -> bool:
    with open(path, "rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) == b"\n"
