"""Rows in parquet by hour, never in the way of a request.

A request only puts a row into a bounded queue. A background thread writes what has gathered as one file
``date=YYYY-MM-DD/hour=HH/<time>-<id>.parquet`` (hour of the row, UTC). When the queue is full the row is dropped
and counted: losing a log row is better than losing a customer. Rows that the disk refuses wait for the next try,
at most as many as the queue holds; of more, the oldest are dropped and counted.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from prometheus_client import Counter

from polymart.errors import StorageError
from polymart.files import atomic_path

Row = dict[str, Any]
FILES = "date=*/hour=*/*.parquet"
"""Where the files of a log lie below its folder."""
CLOSE_S = 30.0
"""Seconds that the last flush may take."""
_log = logging.getLogger(__name__)


class HourlyLog:
    """Writes rows below ``folder`` from a thread of its own.

    Args:
        folder: root of the log.
        schema: columns of its files, ``event_timestamp`` (naive UTC, microseconds) among them; of a row, what stands
            under another name is left out.
        name: what the log is called in metrics: ``polymart_<name>_log_written`` and ``polymart_<name>_log_dropped``.
        capacity: rows the queue holds.
        flush_s: most seconds between files; after a crash at most this much is lost. A half-full queue is written
            at once.
    """

    def __init__(
        self, folder: Path, schema: pa.Schema, name: str, *, capacity: int = 10_000, flush_s: float = 60.0
    ) -> None:
        self.folder, self.schema, self.name, self.dropped = folder, schema, name, 0
        self._capacity, self._flush_s = capacity, flush_s
        self._queue: Queue[Row] = Queue(capacity)
        self._refused: list[Row] = []
        self._written, self._lost = _counters(name)
        self._writing, self._counting = threading.Lock(), threading.Lock()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name}-log", daemon=True)
        self._thread.start()

    def add(self, row: Row) -> None:
        """Queue one row, stamped with the present time, without waiting; drop and count it when the queue is full."""
        try:
            if self._closing.is_set():
                raise Full  # nobody will write it any more
            self._queue.put_nowait({"event_timestamp": _now(), **row})
        except Full:
            self._drop(1)
        if self._queue.qsize() * 2 >= self._capacity:
            self._wake.set()

    def flush(self) -> int:
        """Write everything queued now; returns the rows written."""
        with self._writing:
            rows = [*self._refused, *self._rendered()]
            refused, written = [], 0
            for hour, group in groupby(sorted(rows, key=lambda row: row["event_timestamp"]), key=_hour_folder):
                part = list(group)
                try:
                    _write(self.folder / hour, part, self.schema)
                    written += len(part)
                except (OSError, StorageError) as error:
                    _log.warning("%s log: %d rows wait, the disk refuses: %s", self.name, len(part), error)
                    refused += part
                except Exception:
                    _log.exception("%s log: %d rows break its schema", self.name, len(part))
                    self._drop(len(part))
            self._refused = refused[-self._capacity :]
            self._drop(len(refused) - len(self._refused))
            self._written.inc(written)
        return written

    def close(self) -> None:
        """Stop the thread after a last flush; what the disk still refuses is dropped and counted."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=CLOSE_S)
        if self._thread.is_alive():
            _log.error("%s log: the disk took more than %g s over the last rows; they may be lost", self.name, CLOSE_S)
        self._drop(len(self._refused))
        self._refused = []

    def render(self, row: Row) -> Row:
        """A queued row as it is written; runs in the log's own thread, so that it may take its time."""
        return row

    def _rendered(self) -> Iterator[Row]:
        for row in _drain(self._queue):
            try:
                rendered = self.render(row)
                yield {name: rendered.get(name) for name in self.schema.names}
            except Exception:
                _log.exception("%s log: a row cannot be written", self.name)
                self._drop(1)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(self._flush_s)
            self._wake.clear()
            self.flush()
        self.flush()

    def _drop(self, count: int) -> None:
        with self._counting:
            self.dropped += count
        self._lost.inc(count)


@cache
def _counters(name: str) -> tuple[Counter, Counter]:
    """Counters of rows written and lost; a process knows each name once, however many logs it opens."""
    return (
        Counter(f"polymart_{name}_log_written", f"Rows written to the {name} log"),
        Counter(f"polymart_{name}_log_dropped", f"Rows lost to the {name} log: the queue was full or the disk refused"),
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _hour_folder(row: Row) -> str:
    return f"{row['event_timestamp']:date=%Y-%m-%d/hour=%H}"


def _drain(queue: Queue[Row]) -> Iterator[Row]:
    # Bounded by what is there now: a busy service must not keep one flush going for ever.
    for _ in range(queue.qsize()):
        try:
            yield queue.get_nowait()
        except Empty:
            return


def _write(folder: Path, rows: list[Row], schema: pa.Schema) -> None:
    with atomic_path(folder / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema), temporary, compression="zstd", coerce_timestamps="us")
