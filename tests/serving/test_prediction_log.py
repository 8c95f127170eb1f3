"""The prediction log: parquet by hour, bounded, counted, pseudonymised."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from polymart.errors import SettingError
from serving import prediction_log
from serving.prediction_log import DIRECTORY, KEY, PredictionLog, log_from_environment, pseudonym

SECRET = b"0123456789abcdef"
ROW = {
    "prediction_id": "p",
    "task": "demand",
    "checkpoint": "sha256:00",
    "prediction": "3.5",
    "score": 3.5,
    "latency_ms": 1.0,
}


def _rows(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted(folder.rglob("*.parquet"))], ignore_index=True)


def test_rows_lie_in_the_folder_of_their_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = iter([datetime(2026, 1, 2, 9, 59, 59), datetime(2026, 1, 2, 10, 0, 0), datetime(2026, 1, 2, 9, 0, 0)])
    monkeypatch.setattr(prediction_log, "_now", lambda: next(stamps))
    log = PredictionLog(tmp_path, SECRET, flush_s=3600)
    for number in range(3):
        log.add(ROW | {"prediction_id": str(number), "store_id": 31})
    log.close()
    folders = {
        str(path.parent.relative_to(tmp_path)): len(pd.read_parquet(path)) for path in tmp_path.rglob("*.parquet")
    }
    assert folders == {"date=2026-01-02/hour=09": 2, "date=2026-01-02/hour=10": 1}
    assert _rows(tmp_path)["store_id"].tolist() == [31, 31, 31]


def test_the_thread_writes_without_being_asked(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, SECRET, flush_s=0.05)
    log.add(ROW)
    deadline = time.monotonic() + 10
    while not list(tmp_path.rglob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(_rows(tmp_path)) == 1
    log.close()


def test_a_household_is_only_its_pseudonym(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, SECRET, flush_s=3600)
    log.add(ROW | {"household_id": 123456})
    log.add(ROW)
    log.close()
    rows = _rows(tmp_path)
    assert "123456" not in rows.to_csv()
    expected = hmac.new(SECRET, b"household:123456", hashlib.sha256).hexdigest()
    assert rows["household"].tolist() == [expected, None]
    assert pseudonym(123456, b"another key of sixteen") != expected


def test_a_full_queue_drops_and_counts_without_waiting(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, SECRET, capacity=5, flush_s=3600)
    before, started = prediction_log.DROPPED._value.get(), time.perf_counter()
    for _ in range(12):
        log.add(ROW)
    assert time.perf_counter() - started < 0.5
    assert log.dropped == 7
    assert prediction_log.DROPPED._value.get() - before == 7
    log.close()
    assert len(_rows(tmp_path)) == 5


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, SECRET, flush_s=0.01)
    threads = [threading.Thread(target=lambda: [log.add(ROW) for _ in range(200)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert len(_rows(tmp_path)) == 1000
    assert log.dropped == 0


def test_a_disk_that_refuses_costs_rows_but_not_the_service(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    log = PredictionLog(tmp_path / "file", SECRET, flush_s=3600)
    log.add(ROW)
    assert log.flush() == 0
    assert log.dropped == 1
    log.add(ROW)  # still takes rows
    log.close()
    assert log.dropped == 2


def test_the_environment_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DIRECTORY, raising=False)
    assert log_from_environment() is None
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    monkeypatch.setenv(KEY, "short")
    with pytest.raises(SettingError, match=r"must hold at least 16 characters.*found 5"):
        log_from_environment()
