"""The prediction log: parquet by hour, bounded, counted, pseudonymised, scrubbed."""

from __future__ import annotations

import hashlib
import hmac
import json
import resource
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from polymart.errors import SettingError
from serving.log import hourly
from serving.log.hourly import HourlyLog
from serving.log.notes import SHADOW, note_defaults, note_features, noting, request_notes
from serving.log.prediction import DIRECTORY, KEY, TEXT, PredictionLog, log_from_environment
from serving.log.render import pseudonym

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


def _logged(folder: Path, *rows: dict[str, Any], keep_text: bool = False) -> pd.DataFrame:
    log = PredictionLog(folder, SECRET, keep_text=keep_text, flush_s=3600)
    for row in rows:
        log.add(ROW | row)
    log.close()
    return _rows(folder)


def test_rows_lie_in_the_folder_of_their_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = iter([datetime(2026, 1, 2, 9, 59, 59), datetime(2026, 1, 2, 10, 0, 0), datetime(2026, 1, 2, 9, 0, 0)])
    monkeypatch.setattr(hourly, "_now", lambda: next(stamps))
    rows = _logged(tmp_path, *({"prediction_id": str(number), "store_id": 31} for number in range(3)))
    folders = {
        str(path.parent.relative_to(tmp_path)): len(pd.read_parquet(path)) for path in tmp_path.rglob("*.parquet")
    }
    assert folders == {"date=2026-01-02/hour=09": 2, "date=2026-01-02/hour=10": 1}
    assert rows["store_id"].tolist() == [31, 31, 31]


def test_the_thread_writes_without_being_asked(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, SECRET, flush_s=0.05)
    log.add(ROW)
    _wait_for_files(tmp_path)
    assert len(_rows(tmp_path)) == 1
    log.close()


def test_a_half_full_queue_is_written_before_its_time(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, SECRET, capacity=10, flush_s=3600)
    for _ in range(5):
        log.add(ROW)
    _wait_for_files(tmp_path)
    log.close()
    assert len(_rows(tmp_path)) == 5


def test_a_household_is_only_its_pseudonym(tmp_path: Path) -> None:
    features = {"household_id": 123456, "num_baskets": 2.0}
    rows = _logged(
        tmp_path, {"household_id": 123456, "read": [({"household_id": 123456}, features)], "outputs": [features]}, {}
    )
    assert "123456" not in rows.to_csv()
    expected = hmac.new(SECRET, b"household:123456", hashlib.sha256).hexdigest()
    assert rows["household"].tolist() == [expected, None]
    assert json.loads(rows["features"][0]) == {"household": expected, "num_baskets": 2.0}
    assert json.loads(rows["outputs"][0]) == [{"household": expected, "num_baskets": 2.0}]
    assert pseudonym(123456, b"another key of sixteen") != expected


def test_features_are_those_of_the_rows_own_entities(tmp_path: Path) -> None:
    with noting("ads"):
        note_features([{"household_id": 1}], [{"baskets": 1 / 3}])
        note_features([{"household_id": 1, "campaign_id": c} for c in (7, 8)], [{"buys": 7.0}, {"buys": np.nan}])
        notes = request_notes()
        rows = _logged(
            tmp_path, *({"household_id": 1, "campaign_id": c, **notes} for c in (7, 8)), {"store_id": 3, **notes}
        )
    assert [feature and json.loads(feature) for feature in rows["features"]] == [
        {"baskets": 0.333333, "buys": 7.0},
        {"baskets": 0.333333, "buys": None},
        None,
    ]
    assert rows["endpoint"].tolist() == ["ads"] * 3
    assert rows["shadow"].tolist() == [False] * 3


def test_a_request_notes_only_its_own_features() -> None:
    note_features([{"store_id": 1}], [{"lost": 1.0}])  # no request is being answered
    with noting("first"):
        note_features([{"store_id": 1}], [{"a": 1.0}])
    with noting("second"):
        note_features([{"store_id": 1}], [{"b": 1.0}])
        assert request_notes()["read"] == [({"store_id": 1}, {"b": 1.0})]
        note_defaults()
        assert request_notes()["degraded"]
    assert request_notes() == {"endpoint": None, "shadow": False, "read": [], "degraded": False}


def test_a_shadow_is_marked(tmp_path: Path) -> None:
    token = SHADOW.set(True)
    rows = _logged(tmp_path, {**request_notes(), "variant": "next"})
    SHADOW.reset(token)
    assert (rows["shadow"][0], rows["variant"][0]) == (True, "next")


def test_outputs_hold_the_ten_best_and_plain_numbers(tmp_path: Path) -> None:
    items = [{"label": f"label {i}", "score": np.float32(1 / (i + 3))} for i in range(12)]
    labels = {"label": "refund", "scores": {f"label {i}": 0.1 for i in range(12)}, "vector": np.arange(3)}
    lists, mapping = map(json.loads, _logged(tmp_path, {"outputs": items}, {"outputs": labels})["outputs"])
    assert lists[0] == {"label": "label 0", "score": 0.333333}
    assert len(lists) == len(mapping["scores"]) == 10
    assert mapping["vector"] == [0, 1, 2]


def test_free_text_is_left_out_by_default_and_else_scrubbed(tmp_path: Path) -> None:
    row = {
        "read": [
            ({}, {"text": "mail ann@shop.example, card 4111 1111 1111 1111"}),
            ({}, {"history_text": "milk, call +44 20 7946 0958", "campaign_type": "Type A"}),
        ],
    }
    (without,) = _logged(tmp_path / "default", row)["features"]
    assert json.loads(without) == {"campaign_type": "Type A"}
    (kept,) = _logged(tmp_path / "kept", row, keep_text=True)["features"]
    assert json.loads(kept) == {
        "text": "mail [e-mail], card [card]",
        "history_text": "milk, call [phone]",
        "campaign_type": "Type A",
    }


def test_a_full_queue_drops_and_counts_without_waiting(tmp_path: Path) -> None:
    """The log's thread hangs in the middle of a row, as on a disk that does not answer."""
    taken, go_on = threading.Event(), threading.Event()

    class Hanging(HourlyLog):
        def render(self, row: dict[str, Any]) -> dict[str, Any]:
            taken.set()
            go_on.wait(20)
            return row

    log = Hanging(tmp_path, pa.schema({"event_timestamp": pa.timestamp("us"), "number": pa.int64()}), "hanging",
                  capacity=6, flush_s=3600)  # fmt: skip
    for number in range(3):
        log.add({"number": number})
    assert taken.wait(10)  # one row is out of the queue; how many more are, nobody waits for
    before, started = log._lost._value.get(), time.perf_counter()
    for number in range(12):
        log.add({"number": number})
    assert time.perf_counter() - started < 0.5
    assert log.dropped == log._lost._value.get() - before == 12 - (6 - 2)
    go_on.set()
    log.close()
    assert len(_rows(tmp_path)) == 15 - log.dropped


def test_a_row_after_the_end_is_counted(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, SECRET)
    log.close()
    log.add(ROW)
    assert log.dropped == 1


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


def test_a_disk_that_refuses_costs_nothing_if_it_recovers(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log", SECRET, flush_s=3600)
    log.add(ROW)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # the system refuses every byte, as on a full disk
    try:
        assert log.flush() == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "log").rglob("*.p*")) == []  # nothing half-written stays
    log.add(ROW)
    assert log.flush() == 2
    log.close()
    assert log.dropped == 0


def test_a_disk_that_goes_on_refusing_costs_rows_but_not_the_service(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    log = PredictionLog(tmp_path / "file", SECRET, capacity=8, flush_s=3600)
    for _ in range(4):
        for _ in range(3):
            log.add(ROW)
        assert log.flush() == 0
    assert log.dropped == 12 - 8
    log.close()
    assert log.dropped == 12


def test_a_row_that_cannot_be_written_costs_only_itself(tmp_path: Path) -> None:
    rows = _logged(tmp_path, {"outputs": {"score": 0.5}}, {"outputs": {"household_id": "x"}}, {"outputs": None})
    assert rows["outputs"].tolist() == ['{"score":0.5}', None]


def test_the_environment_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DIRECTORY, raising=False)
    assert log_from_environment() is None
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    monkeypatch.setenv(KEY, "short")
    with pytest.raises(SettingError, match=r"must hold at least 16 characters.*found 5"):
        log_from_environment()
    monkeypatch.setenv(KEY, "k" * 16)
    monkeypatch.setenv(TEXT, "yes")
    with pytest.raises(SettingError, match=r"must be 'scrubbed' or unset, found 'yes'"):
        log_from_environment()


def _wait_for_files(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while not list(folder.rglob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
