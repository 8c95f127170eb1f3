"""Cleaning rules, determinism and absent sources."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from polymart.data.prepare import TABLES_OF, prepare_tables
from polymart.data.tables import connect
from polymart.errors import TableError


def test_the_same_sources_give_the_same_bytes(sources, tables, tmp_path):
    again = prepare_tables(sources, tmp_path / "again")
    first = json.loads((tables / "tables.json").read_text())
    assert again["digest"] == first["digest"]
    assert json.loads((tmp_path / "again/tables.json").read_text()) == first


def test_every_rule_stands_with_its_counts(tables):
    rules = json.loads((tables / "tables.json").read_text())["rules"]
    of_lines = [rule for rule in rules if rule["table"] == "transactions"]
    dropped = {rule["rule"][:20]: rule["rows_before"] - rule["rows_after"] for rule in of_lines}
    assert dropped == {
        "exact duplicates are": 1,
        "a line has a product": 1,
        "a line's product has": 1,
        "fuel is left out: de": 1,
        "a line has a positiv": 1,
        "a line counts at mos": 0,
    }
    capped = [rule["rows_changed"] for rule in rules if "at most 50 units" in rule["rule"]]
    assert capped == [1]
    campaigns = next(rule for rule in rules if rule["table"] == "labels/coupon_response")
    assert campaigns["rows_after"] < campaigns["rows_before"], "one campaign starts before the log, one ends after it"


def test_tables_hold_what_the_report_says(tables, sources):
    report = json.loads((tables / "tables.json").read_text())
    assert set(report["tables"]) == {name for key in sources for name in TABLES_OF[key]}
    assert report["skipped"] == {}
    for name, entry in report["tables"].items():
        table = pq.read_table(tables / f"{name}.parquet")
        assert table.num_rows == entry["rows"] > 0
        assert {str(field.type) for field in table.schema if "timestamp" in field.name} <= {"timestamp[us]"}


def test_days_and_weeks_are_the_shops_own(tables):
    lines = pd.read_parquet(tables / "transactions.parquet")
    local = lines.event_timestamp.dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    assert (pd.to_datetime(lines.local_date) == local.dt.tz_localize(None).dt.normalize()).all()
    assert (lines.local_hour == local.dt.hour).all()
    assert (pd.to_datetime(lines.week_start).dt.dayofweek == 0).all()
    assert (pd.to_datetime(lines.local_date) != lines.event_timestamp.dt.normalize()).any(), "evenings differ from UTC"


def test_absent_sources_are_said_with_the_way_to_get_them(sources, tmp_path):
    report = prepare_tables(
        {"amazon_graded": sources["amazon_graded"]}, tmp_path / "tables", absent=["completejourney", "banking77"]
    )
    assert set(report["tables"]) == {"labels/sentiment"}
    assert set(report["skipped"]) == {"completejourney", "banking77"}
    assert all("absent" in line and "\n" not in line for line in report["skipped"].values())


def test_review_splits_hold_whole_reviews(tables):
    reviews = pd.read_parquet(tables / "labels/sentiment.parquet")
    assert (reviews.groupby("review_id").split.nunique() == 1).all()
    assert set(reviews.split) == {"train", "val", "test"}


@pytest.mark.parametrize("sources", [{}, {"nothing_known": "x"}])
def test_unknown_or_no_sources_are_refused(sources, tmp_path):
    with pytest.raises(TableError, match="completejourney"):
        prepare_tables(sources, tmp_path / "tables")


def test_a_missing_file_and_a_missing_column_are_named(sources, tmp_path):
    broken = tmp_path / "raw"
    broken.mkdir()
    for path in sources["completejourney"].iterdir():
        frame = pd.read_parquet(path)
        frame = frame.drop(columns="quantity") if path.name == "transactions.parquet" else frame
        frame.to_parquet(broken / path.name, index=False)
    with pytest.raises(TableError, match="quantity"):
        prepare_tables({"completejourney": broken}, tmp_path / "tables")
    (broken / "coupons.parquet").unlink()
    (broken / "transactions.parquet").write_bytes((sources["completejourney"] / "transactions.parquet").read_bytes())
    with pytest.raises(TableError, match=r"coupons\.parquet is missing"):
        prepare_tables({"completejourney": broken}, tmp_path / "tables")
    assert not (tmp_path / "tables").exists(), "nothing half-written stays behind"


def test_what_does_not_fit_in_memory_leaves_the_working_folder_alone(tmp_path, monkeypatch):
    work, spill = tmp_path / "work", tmp_path / "spill"
    work.mkdir()
    spill.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr("tempfile.tempdir", str(spill))
    with connect() as con:
        con.execute("SET memory_limit = '40MB'")
        con.execute("CREATE TABLE many AS SELECT range AS number, hash(range) AS place FROM range(4_000_000)")
        assert any(spill.iterdir()), "the table must not fit"
        assert list(work.iterdir()) == []
    assert list(spill.iterdir()) == []
