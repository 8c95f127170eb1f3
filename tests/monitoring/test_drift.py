"""Drift on synthetic tables, with the real Evidently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_shop import in_last, make_examples

from monitoring.drift import detect_drift
from monitoring.observations import intraclass_correlation
from monitoring.profile import Numbers
from monitoring.profile.compare import distance_of_numbers
from monitoring.psi import psi_threshold
from polymart.errors import MonitoringError
from polymart.files import read_json


def test_nothing_moved(shop, suite, tmp_path):
    report = detect_drift(*shop(), suite, tmp_path / "out")
    (task,) = report.tasks
    assert len(task.windows) == 4
    assert [window.drifted for window in task.windows] == [()] * 4
    assert all(len(window.judged) == 6 for window in task.windows)
    assert task.moved == ()


def test_a_shifted_column_is_named_first_with_its_first_window(shop, suite, tmp_path):
    def change(table):
        table.loc[in_last(table, 28), "price"] *= 2.5

    (task,) = detect_drift(*shop(change), suite, tmp_path / "out").tasks
    assert task.moved[0].name == "price"
    assert f"{task.moved[0].since:%Y-%m-%d}" == "2024-05-27"
    assert [len(window.drifted) for window in task.windows] == [0, 0, 1, 1]


def test_since_stops_at_the_first_window_without_drift(shop, suite, tmp_path):
    def change(table):
        table.loc[in_last(table, 14) | (in_last(table, 56) & ~in_last(table, 28)), "price"] *= 2.5

    (task,) = detect_drift(*shop(change), suite, tmp_path / "out").tasks
    assert f"{task.moved[0].since:%Y-%m-%d}" == "2024-06-10"


def test_new_words_and_a_new_mix_of_categories_drift(shop, suite, tmp_path):
    def change(table):
        table.loc[in_last(table, 14), "title"] = "unheard novel words here"
        table.loc[in_last(table, 14), "aisle"] = "wine"

    (task,) = detect_drift(*shop(change), suite, tmp_path / "out").tasks
    assert {"text_unseen_share", "text_length", "aisle"} == {column.name for column in task.moved}


def test_one_outlier_does_not_hide_a_shift():
    random = np.random.default_rng(0)
    reference, current = (pd.Series(random.lognormal(shift, 0.5, 2000)) for shift in (1, 2))
    current[0] = 1e9
    from evidently import Dataset, Report
    from evidently.metrics import ValueDrift

    sides = (Dataset.from_pandas(pd.DataFrame({"x": rows})) for rows in (current, reference))
    by_width = Report([ValueDrift(column="x", method="psi")]).run(*sides)
    assert by_width.dict()["metrics"][0]["value"] < 0.1  # why numbers are cut into deciles first
    assert distance_of_numbers(*(Numbers.of(rows.to_numpy()) for rows in (reference, current))).psi > 0.5


def test_the_evidently_files_hold_the_reports_numbers(shop, suite, tmp_path):
    (task,) = detect_drift(*shop(), suite, tmp_path / "out").tasks
    metrics = read_json(tmp_path / "out" / task.json_file)["metrics"]
    written = {(m["config"]["method"], m["config"]["column"]): m["value"] for m in metrics if "method" in m["config"]}
    judged = task.newest.judged
    assert written == {("PSI", column.name): column.psi for column in judged} | {
        ("KS", column.name): column.ks for column in judged if column.ks is not None
    }


def test_small_windows_rarely_drift_by_chance():
    """PSI of equal samples passes the sample-size threshold about once in a thousand; a fixed 0.2 fails often."""
    random = np.random.default_rng(0)
    fixed = adjusted = 0
    for _ in range(300):
        reference, current = random.integers(0, 10, 1000), random.integers(0, 10, 60)
        p, q = (np.maximum(np.bincount(side, minlength=10) / len(side), 1e-4) for side in (reference, current))
        psi = float(((p - q) * np.log(p / q)).sum())
        fixed += psi >= 0.2
        adjusted += psi >= psi_threshold(10, 1000, 60)
    assert fixed > 60
    assert adjusted <= 15


def test_a_calendar_column_is_not_judged(shop, suite, tmp_path):
    def change(table):
        week = table["event_timestamp"].dt.to_period("W").dt.start_time.astype("datetime64[us]")
        return table.assign(event_timestamp=week, lag=week.dt.dayofyear)

    (task,) = detect_drift(*shop(change), suite, tmp_path / "out").tasks
    (lag,) = (column for column in task.newest.columns if column.name == "lag")
    assert lag.psi is None
    assert "observations" in lag.note
    assert not task.newest.failures


def test_another_campaign_is_not_drift(shop, suite, tmp_path):
    """Four rows of customers in five carry their campaign's own share; each window holds one campaign."""

    def change(table):
        start = pd.to_datetime(table["event_timestamp"].dt.floor("14D")).astype("datetime64[us]")
        share = pd.factorize(start)[0] * 0.618 % 1
        return table.assign(event_timestamp=start, lag=np.where(table.index % 5 < 4, share, table["lag"]))

    (task,) = detect_drift(*shop(change), suite, tmp_path / "out").tasks
    assert {column.name for window in task.windows for column in window.drifted} == set()
    assert "price" in {column.name for column in task.newest.judged}


@pytest.mark.parametrize(
    ("values", "times", "low", "high"),
    [
        (list("ab") * 50, [1] * 50 + [2] * 50, 0, 0),
        (list("ab") * 50, [1, 2] * 50, 1, 1),
        (list("ab") * 50, range(100), 0, 0),
        (list("ab") * 50, [1] * 100, 1, 1),
        (["a"] * 100, [1] * 50 + [2] * 50, 0, 0),
        (["a"] * 40 + ["b"] * 10 + ["a"] * 10 + ["b"] * 40, [1] * 50 + [2] * 50, 0.3, 0.7),
    ],
)
def test_intraclass_correlation(values, times, low, high):
    rho = intraclass_correlation(pd.Series(values), pd.Series(times))
    assert low <= rho <= high


def test_a_constant_column_that_begins_to_vary_drifts(shop, suite, tmp_path):
    def change(table):
        table["lag"] = 0
        table["price"] = np.where(in_last(table, 14) & (table.index % 2 == 0), 5.0, 1.0)
        table.loc[table.index[0], "price"] = 9.0  # the reference's range holds the new values

    (task,) = detect_drift(*shop(change), suite, tmp_path / "out").tasks
    assert [column.name for column in task.moved] == ["price"]


def test_tasks_are_ranked_by_harm(shop, suite, tmp_path):
    examples, predictions = shop()
    for folder in (examples, predictions):
        table = pd.read_parquet(folder / "units.parquet")
        if folder == examples:
            table.loc[in_last(table, 14), "price"] = np.nan
        table.to_parquet(folder / "worse.parquet", coerce_timestamps="us")
    worse = suite.tasks[0].model_copy(update={"name": "worse"})
    both = suite.model_copy(update={"tasks": [suite.tasks[0], worse]})
    report = detect_drift(examples, predictions, both, tmp_path / "out")
    assert [task.name for task in report.tasks] == ["worse", "units"]


def test_markup_in_a_category_cannot_leave_evidentlys_script(shop, suite, tmp_path):
    def change(table):
        table["aisle"] = table["aisle"].replace("wine", "</script><script>alert(1)</script>")

    detect_drift(*shop(change), suite, tmp_path / "out")
    page = (tmp_path / "out" / "evidently" / "units.html").read_text()
    assert "alert(1)" in page
    assert "<script>alert(1)" not in page
    assert len(page) < 6e6


def test_tasks_and_tables_left_out_are_said(shop, suite, tmp_path):
    examples, predictions = shop()
    make_examples(10).to_parquet(examples / "stray.parquet")
    (predictions / "units.parquet").unlink()
    report = detect_drift(examples, predictions, suite, tmp_path / "out")
    text = "\n".join(report.notes)
    assert "intent: left out, its rows have no event time" in text
    assert "stray: ignored, suite 'tiny' has no task of this name" in text
    assert "units: no prediction table" in text
    assert report.tasks[0].newest.performance is None


def test_performance_stands_beside_the_reference(shop, suite, tmp_path):
    examples, predictions = shop()
    table = pd.read_parquet(predictions / "units.parquet")
    table.loc[in_last(table, 14), "prediction"] += 5
    table.to_parquet(predictions / "units.parquet", coerce_timestamps="us")
    performance = detect_drift(examples, predictions, suite, tmp_path / "out").tasks[0].newest.performance
    assert performance.metric == "mean_absolute_error"
    assert performance.value > 4
    assert performance.reference < 1
    assert performance.loss > 3


@pytest.mark.parametrize("num_rows", [1, 12, 60])
def test_tiny_tables_are_not_judged_rather_than_guessed(shop, suite, tmp_path, num_rows):
    (task,) = detect_drift(*shop(num_rows=num_rows), suite, tmp_path / "out").tasks
    assert task.newest.judged == ()


def test_row_order_changes_nothing(shop, suite, tmp_path):
    small = suite.model_copy(update={"monitoring": suite.monitoring.model_copy(update={"max_rows": 100})})
    examples, predictions = shop()
    first = detect_drift(examples, predictions, small, tmp_path / "a")
    table = pd.read_parquet(examples / "units.parquet")
    table.sample(frac=1, random_state=3).to_parquet(examples / "units.parquet", coerce_timestamps="us")
    assert detect_drift(examples, predictions, small, tmp_path / "b").tasks == first.tasks


def test_no_examples_at_all(suite, tmp_path):
    with pytest.raises(MonitoringError, match="found none"):
        detect_drift(tmp_path, tmp_path, suite, tmp_path / "out")


def test_a_table_without_split_is_refused(shop, suite, tmp_path):
    examples, predictions = shop()
    make_examples(10).drop(columns="split").to_parquet(examples / "units.parquet")
    with pytest.raises(MonitoringError, match="called split"):
        detect_drift(examples, predictions, suite, tmp_path / "out")


def test_a_torn_table_is_refused(shop, suite, tmp_path):
    examples, predictions = shop()
    path: Path = examples / "units.parquet"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(MonitoringError, match="cannot be read"):
        detect_drift(examples, predictions, suite, tmp_path / "out")
