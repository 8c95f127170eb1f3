"""A prediction is found again in a log that the service itself wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polymart.errors import ServingError, SettingError
from serving.log.prediction import SCHEMA, PredictionLog
from serving.log.reading import find_prediction, log_folder, read_log

ROW = {"checkpoint": "sha256:00", "prediction": "1", "score": 0.5, "latency_ms": 1.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    log = PredictionLog(tmp_path, b"0123456789abcdef", flush_s=3600)
    for prediction, task in [("aaaaaaaa1", "ads"), ("aaaaaaaa1", "ads"), ("aaaaaaaa2", "demand"), ("bbbbbbbb", "mood")]:
        log.add(ROW | {"prediction_id": prediction, "task": task})
        log.flush()
    log.close()
    return tmp_path


def test_a_whole_id_finds_all_rows_of_the_request(folder: Path) -> None:
    found = find_prediction(folder, "aaaaaaaa1")
    assert (found.prediction_id, found.checkpoint, found.rows) == ("aaaaaaaa1", "sha256:00", {"ads": 2})
    assert timedelta() <= datetime.now(UTC) - found.at < timedelta(minutes=5)


def test_the_start_of_an_id_is_enough(folder: Path) -> None:
    assert find_prediction(folder, "bbbbbb").rows == {"mood": 1}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("cccccccc", r"no prediction in .* starts with 'cccccccc'"),
        ("aaaaaaaa", "2 predictions have an id that starts with 'aaaaaaaa': aaaaaaaa1, aaaaaaaa2"),
        ("aaaaa", "at least 6 characters, found 'aaaaa'"),
        ("AAAAAAAA1", "no prediction"),
    ],
)
def test_unknown_and_ambiguous_ids_are_told(folder: Path, wanted: str, message: str) -> None:
    with pytest.raises(ServingError, match=message):
        find_prediction(folder, wanted)


def test_half_written_files_do_not_hide_the_others(folder: Path) -> None:
    hour = next(folder.glob("date=*/hour=*"))
    (hour / ".1.parquet.x.partial").write_bytes(b"torn")
    assert find_prediction(folder, "bbbbbbbb").rows == {"mood": 1}


def test_a_folder_without_a_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=f"no prediction log in {tmp_path}"):
        find_prediction(tmp_path, "aaaaaaaa")


def test_the_folder_is_the_services_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="POLYMART_PREDICTION_LOG is not set"):
        log_folder()
    monkeypatch.setenv("POLYMART_PREDICTION_LOG", str(tmp_path))
    assert log_folder() == tmp_path


FIRST_COLUMNS = ["prediction_id", "event_timestamp", "task", "checkpoint", "household", "campaign_id", "category_id",
                 "store_id", "prediction", "score", "latency_ms"]  # fmt: skip
"""What the first version of the service wrote."""


def test_files_of_older_and_newer_versions_are_read_together(folder: Path) -> None:
    old = {"prediction_id": "oldest-of-all", "event_timestamp": datetime(2026, 1, 2, 3), "task": "demand",
           "checkpoint": "sha256:01", "score": 2.0}  # fmt: skip
    first = pa.schema([SCHEMA.field(name) for name in FIRST_COLUMNS])
    newer = SCHEMA.append(pa.field("of_the_future", pa.string()))
    for hour, schema, row in [("03", first, old), ("04", newer, old | {"prediction_id": "newest", "variant": "x"})]:
        (folder / f"date=2026-01-02/hour={hour}").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([row], schema), folder / f"date=2026-01-02/hour={hour}/1.parquet")
    rows = read_log(folder).set_index("prediction_id")
    assert list(rows.columns) == [name for name in SCHEMA.names if name != "prediction_id"]
    assert rows.loc["oldest-of-all", ["variant", "features", "shadow"]].isna().all()
    assert rows.loc["newest", "variant"] == "x"
    found = find_prediction(folder, "oldest-of-all")
    assert (found.checkpoint, found.variant, found.rows) == ("sha256:01", None, {"demand": 1})


def test_hours_are_chosen_by_their_folders(folder: Path) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    assert len(read_log(folder, ["task"], since=now - timedelta(hours=2))) == 4
    assert len(read_log(folder, ["task"], since=now + timedelta(hours=2))) == 0
    assert len(read_log(folder, ["task"], until=now - timedelta(hours=2))) == 0
