"""The prediction log: one row per answer, in parquet by hour, never in the way of a request.

A request only puts a row into a bounded queue. A background thread writes what has gathered as one file
``date=YYYY-MM-DD/hour=HH/<time>-<id>.parquet`` (hour of the answer, UTC). When the queue is full the row is
dropped and counted: losing a log row is better than losing a customer.

Columns: ``prediction_id``, ``event_timestamp`` (naive UTC, microseconds), ``task``, ``checkpoint``, ``household``
(HMAC-SHA256 pseudonym or null), ``campaign_id``, ``category_id``, ``store_id`` (int64 or null), ``prediction``,
``score`` (as in the predictions table of evaluation) and ``latency_ms``. Free text is never logged.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from prometheus_client import Counter

from polymart.errors import SettingError
from polymart.files import atomic_path

DIRECTORY, KEY = "POLYMART_PREDICTION_LOG", "POLYMART_PSEUDONYM_KEY"
SCHEMA = pa.schema({
    "prediction_id": pa.string(), "event_timestamp": pa.timestamp("us"), "task": pa.string(),
    "checkpoint": pa.string(), "household": pa.string(), "campaign_id": pa.int64(), "category_id": pa.int64(),
    "store_id": pa.int64(), "prediction": pa.string(), "score": pa.float32(), "latency_ms": pa.float32(),
})  # fmt: skip
WRITTEN = Counter("polymart_prediction_log_written", "Rows written to the prediction log")
DROPPED = Counter("polymart_prediction_log_dropped", "Rows lost: the queue was full or the disk refused")
_log = logging.getLogger(__name__)


class PredictionLog:
    """Writes rows below ``folder`` from a thread of its own.

    Args:
        folder: root of the log.
        key: secret of the pseudonyms; the same key gives the same household the same pseudonym.
        capacity: rows the queue holds.
        flush_s: seconds between files; after a crash at most this much is lost.
    """

    def __init__(self, folder: Path, key: bytes, *, capacity: int = 10_000, flush_s: float = 60.0) -> None:
        self.folder, self._key, self._flush_s = folder, key, flush_s
        self._queue: Queue[dict[str, Any]] = Queue(capacity)
        self.dropped = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def add(self, row: dict[str, Any]) -> None:
        """Queue one row without waiting; drop and count it when the queue is full.

        Args:
            row: columns of `SCHEMA` but ``event_timestamp`` and ``household``, for which ``household_id`` stands.
        """
        household = pseudonym(row["household_id"], self._key) if "household_id" in row else None
        known = {name: value for name, value in row.items() if name != "household_id"}
        try:
            self._queue.put_nowait({**known, "event_timestamp": _now(), "household": household})
        except Full:
            self._drop(1)

    def flush(self) -> int:
        """Write everything queued now; returns the rows written. Rows that the disk refuses are dropped and counted."""
        rows = list(_drain(self._queue))
        written = 0
        for hour, group in groupby(sorted(rows, key=lambda row: row["event_timestamp"]), key=_hour_folder):
            part = list(group)
            try:
                _write(self.folder / hour, part)
                written += len(part)
            except Exception:
                _log.exception("prediction log: %d rows cannot be written below %s", len(part), self.folder)
                self._drop(len(part))
        WRITTEN.inc(written)
        return written

    def close(self) -> None:
        """Stop the thread after a last flush."""
        self._closing.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._closing.wait(self._flush_s):
            self.flush()
        self.flush()

    def _drop(self, count: int) -> None:
        self.dropped += count
        DROPPED.inc(count)


def log_from_environment() -> PredictionLog | None:
    """The log that ``POLYMART_PREDICTION_LOG`` asks for; None when unset.

    Raises:
        SettingError: a log is asked for without the key that pseudonymises household ids.
    """
    folder, key = os.environ.get(DIRECTORY, ""), os.environ.get(KEY, "")
    if not folder:
        return None
    if len(key) < 16:
        raise SettingError(
            f"{KEY} must hold at least 16 characters when {DIRECTORY} is set, found {len(key)}",
            remedy=f"give {KEY} from a secret, or unset {DIRECTORY} to switch the log off",
        )
    return PredictionLog(Path(folder), key.encode())


def pseudonym(household_id: int, key: bytes) -> str:
    """HMAC-SHA256 of a household id, 64 hex digits: stable under one key, not reversible without it."""
    return hmac.new(key, f"household:{household_id}".encode(), hashlib.sha256).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _hour_folder(row: dict[str, Any]) -> str:
    return f"{row['event_timestamp']:date=%Y-%m-%d/hour=%H}"


def _drain(queue: Queue[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    # Bounded by what is there now: a busy service must not keep one flush going for ever.
    for _ in range(queue.qsize()):
        try:
            yield queue.get_nowait()
        except Empty:
            return


def _write(folder: Path, rows: list[dict[str, Any]]) -> None:
    with atomic_path(folder / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), temporary, compression="zstd", coerce_timestamps="us")
