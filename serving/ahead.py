"""Histories of households, encoded before anybody asks for them.

A pass through the encoder is a third of what a recommendation takes, and a household's history only changes with its
baskets. So a thread encodes the histories of those who were seen last, as the store's folder names them, and of those
whose basket was just told; what it finds stays in the cache of `serving.encoding`. It takes turns with the requests:
a few households at a time, and not while a text waits.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from pathlib import Path

import pyarrow.parquet as pq
from prometheus_client import Counter

from polymart.errors import PolymartError, SettingError
from serving.catalogue import NEXT_PRODUCT
from serving.encoding.vectors import CACHED
from serving.refusals import UnknownEntityError
from serving.scoring import Scorer

SETTING = "POLYMART_HISTORIES_AHEAD"
FILE = "active_households.parquet"
MOST = CACHED // 2
"""Households read ahead at most; the other half of the cache is for the texts of requests."""
AT_ONCE = 8
LOOK_S = 60.0
"""Seconds between two looks whether the store was filled anew."""
READ = Counter("polymart_histories_ahead", "Histories of households that were encoded before they were asked for")
_log = logging.getLogger(__name__)


class HistoriesAhead:
    """The thread that reads ahead.

    Args:
        scorer: of a release that has `NEXT_PRODUCT`.
        store: folder of the feature store.
        most: households of the store's folder that are read.
    """

    def __init__(self, scorer: Scorer, store: Path, most: int = MOST) -> None:
        self.scorer, self.file, self.most = scorer, store / FILE, most
        self._told: deque[int] = deque(maxlen=MOST)
        self._waiting: deque[int] = deque()
        self._read_at = 0
        self._wake, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._work, name="polymart-ahead", daemon=True)
        self._thread.start()

    def tell(self, household: int) -> None:
        """Encode the history of a household whose features changed: before those that wait."""
        self._told.append(household)
        self._wake.set()

    def close(self) -> None:
        """End the thread; what it has not read yet, requests will."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closed:
            self._wake.clear()
            self._look()
            while (self._told or self._waiting) and not self._closed:
                started = time.perf_counter()
                if not self.scorer.vectors_of(NEXT_PRODUCT).busy:
                    self._encode(_taken(self._told, AT_ONCE) or _taken(self._waiting, AT_ONCE))
                # as long a rest as the work took, so that requests have the larger part of the cores
                time.sleep(max(0.005, time.perf_counter() - started))
            self._wake.wait(LOOK_S)

    def _look(self) -> None:
        """Read who was seen last, where the store's folder says it and was written since the last look."""
        try:
            written = self.file.stat().st_mtime_ns
            if written != self._read_at:
                table = pq.read_table(self.file, columns=["household_id"])
                self._waiting = deque(table.column("household_id").to_pylist()[: self.most])
                self._read_at = written
        except (OSError, ValueError) as error:  # no such file, or one that is being written: at the next look
            _log.debug("no households to read ahead: %s", error)

    def _encode(self, households: list[int]) -> None:
        try:
            rows = self.scorer.rows(NEXT_PRODUCT, [{"household_id": household} for household in households])
            batch = self.scorer.predictor.collators[NEXT_PRODUCT](rows)
            if self.scorer.vectors_of(NEXT_PRODUCT).of_batch(batch) is not None:
                READ.inc(len(rows))
        except UnknownEntityError:
            if len(households) > 1:  # one that the store forgot must not keep the others out
                for household in households:
                    self._encode([household])
        except PolymartError as error:  # nobody waits for this: the store is out of reach, or the service stops
            _log.debug("histories of %d households were not read ahead: %s", len(households), error)
        except Exception:  # the thread must go on
            _log.exception("histories of %d households were not read ahead", len(households))


def open_ahead(scorer: Scorer, store: str | None) -> HistoriesAhead | None:
    """The thread that reads ahead; None where the release reads no histories, there is no store, or nobody wants it.

    Raises:
        SettingError: POLYMART_HISTORIES_AHEAD is no number of households.
    """
    asked = os.environ.get(SETTING, str(MOST))
    if not asked.isdecimal() or int(asked) > MOST:
        raise SettingError(
            f"{SETTING} is {asked!r}, and must be a number from 0 to {MOST}", remedy="correct or unset it"
        )
    if not (store and int(asked) and NEXT_PRODUCT in scorer.tasks):
        return None
    return HistoriesAhead(scorer, Path(store), int(asked))


def _taken(waiting: deque[int], count: int) -> list[int]:
    return [waiting.popleft() for _ in range(min(count, len(waiting)))]
