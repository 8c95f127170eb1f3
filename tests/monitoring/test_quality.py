"""Broken data are found before drift, in whole windows and in columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic_shop import in_last

from monitoring.drift import detect_drift


def newest(shop, suite, tmp_path, change):
    return detect_drift(*shop(change), suite, tmp_path / "out").tasks[0].newest


def test_an_all_missing_column(shop, suite, tmp_path):
    def change(table):
        table["price"] = table["price"].mask(in_last(table, 14))

    window = newest(shop, suite, tmp_path, change)
    assert window.failures == ("price: all values missing",)
    assert "price" not in {column.name for column in window.judged}


def test_a_unit_error_is_broken_and_never_drift(shop, suite, tmp_path):
    def change(table):
        table.loc[in_last(table, 14), "price"] *= 100

    window = newest(shop, suite, tmp_path, change)
    assert "price" in window.failures[0]
    assert "unit changed?" in window.failures[0]
    assert window.drifted == ()


def test_a_unit_error_inside_a_heavy_tail_or_among_zeros(shop, suite, tmp_path):
    def change(table):
        table.loc[table.index % 4 != 0, "lag"] = 0
        table.loc[table.index[:2], ["price", "lag"]] = [1e6, 1e6]
        table.loc[in_last(table, 14), "price"] *= 100
        table["lag"] = table["lag"].where(~in_last(table, 14), table["lag"] / 100.0)

    failures = newest(shop, suite, tmp_path, change).failures
    assert [failure.split(":")[0] for failure in failures] == ["price", "lag"]


@pytest.mark.parametrize(("share", "failed"), [(0.1, False), (0.4, True)])
def test_missing_share_against_the_reference(shop, suite, tmp_path, share, failed):
    def change(table):
        random = np.random.default_rng(0).random(len(table))
        table["price"] = table["price"].mask(in_last(table, 14) & (random < share))

    assert bool(newest(shop, suite, tmp_path, change).failures) is failed


def test_a_few_rows_miss_what_is_often_missing_by_chance(shop, suite, tmp_path):
    def change(table):
        often = np.random.default_rng(0).random(len(table)) < 0.3
        table["price"] = table["price"].mask(often)
        last = table.index[in_last(table, 14)]
        table.loc[last[:2], "price"] = np.nan
        return table.drop(index=last[2:])

    assert not newest(shop, suite, tmp_path, change).failures


def test_always_missing_is_no_news(shop, suite, tmp_path):
    window = newest(shop, suite, tmp_path, lambda table: table.assign(price=np.nan))
    assert not window.failures


@pytest.mark.parametrize(("share", "failed"), [(0.05, False), (0.9, True)])
def test_unseen_categories(shop, suite, tmp_path, share, failed):
    def change(table):
        random = np.random.default_rng(0).random(len(table))
        table.loc[in_last(table, 14) & (random < share), "aisle"] = "cheese"

    window = newest(shop, suite, tmp_path, change)
    (finding,) = window.quality
    assert finding.rule == "unseen categories"
    assert "'cheese'" in finding.message
    assert finding.failed is failed


def test_an_absent_column_and_an_absent_text(shop, suite, tmp_path):
    examples, predictions = shop()
    table = pd.read_parquet(examples / "units.parquet").drop(columns=["price", "title"])
    table.to_parquet(examples / "units.parquet", coerce_timestamps="us")
    window = detect_drift(examples, predictions, suite, tmp_path / "out").tasks[0].newest
    assert {finding.column for finding in window.quality} == {"price", "text_length", "text_unseen_share"}
    assert len(window.failures) == 3


def test_no_current_rows(shop, suite, tmp_path):
    window = newest(shop, suite, tmp_path, lambda table: table[table["split"] != "test"])
    assert window.rows == 0
    assert window.failures == ("no rows",)


def test_a_silent_window_is_broken_unless_the_reference_was_silent_too(shop, suite, tmp_path):
    gap = pd.Timestamp("2024-05-13"), pd.Timestamp("2024-05-27")
    usual = pd.Timestamp("2024-01-10"), pd.Timestamp("2024-02-10")

    def without(table, *gaps):
        for start, end in gaps:
            table = table[(table["event_timestamp"] < start) | (table["event_timestamp"] >= end)]
        return table

    broken = detect_drift(*shop(lambda table: without(table, gap)), suite, tmp_path / "a").tasks[0].windows[1]
    sound = detect_drift(*shop(lambda table: without(table, gap, usual)), suite, tmp_path / "b").tasks[0].windows[1]
    assert (broken.rows, broken.failures) == (0, ("no rows",))
    assert (sound.rows, sound.failures) == (0, ())


def test_all_event_times_missing_is_broken_for_a_task_with_a_split(shop, suite, tmp_path):
    window = newest(shop, suite, tmp_path, lambda table: table.assign(event_timestamp=pd.NaT))
    assert window.failures == ("no rows",)
