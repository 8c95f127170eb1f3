"""Signals, estimates and late labels in the written report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from signal_shop import NEWEST, make_rows, task_rows_of, watched
from signal_shop import TASK as RETURNS

from monitoring.drift import detect_drift
from monitoring.schema import REPORT_VERSION, DriftReport, Estimate, Signal, read_report
from monitoring.signals.estimate import Estimator, estimate_windows, mean_error
from monitoring.signals.tables import named_labels, sample_clusters
from polymart.errors import MonitoringError, StorageError
from polymart.files import write_json


def test_a_signal_reads_alike_whatever_it_watches():
    signal = Signal(name="language", kind="text", task="t", column="review", slice="age: old", value=0.6, threshold=0.2)
    assert signal.title == "language of review of age: old"
    assert signal.moved
    assert signal.strength == pytest.approx(3)
    unknown = Signal(name="language", kind="text", task="t", note="too few rows")
    assert not unknown.moved
    assert unknown.strength == 0


def test_the_report_comes_back_as_it_was_written(shop, suite, tmp_path):
    report = detect_drift(*shop(), suite, tmp_path / "out")
    write_json(tmp_path / "report.json", report.model_dump(mode="json"))
    assert read_report(tmp_path / "report.json") == report
    newest = report.tasks[0].newest
    assert {signal.kind for signal in newest.signals} >= {"text", "missing", "categories", "prediction", "performance"}
    assert newest.performance.low < newest.performance.value < newest.performance.high
    assert newest.estimate.truth == newest.performance.value
    assert report.tasks[0].estimate_error == pytest.approx(abs(newest.estimate.error), abs=0.3)


@pytest.mark.parametrize("written", [{"version": 1, "tasks": []}, {"tasks": []}, []])
def test_a_report_of_another_version_says_what_to_do(written, tmp_path):
    write_json(tmp_path / "report.json", written)
    with pytest.raises(MonitoringError, match=f"version {REPORT_VERSION}.*\n.*run `polymart monitor` again"):
        read_report(tmp_path / "report.json")


def test_what_is_no_report_says_so(tmp_path):
    write_json(tmp_path / "report.json", {"version": REPORT_VERSION})
    with pytest.raises(MonitoringError, match="is not a drift report"):
        read_report(tmp_path / "report.json")
    with pytest.raises(StorageError):
        read_report(tmp_path / "absent.json")


def test_labels_that_only_the_examples_know_are_used(shop, suite, tmp_path):
    examples, predictions = shop()
    path = predictions / "units.parquet"
    table = pd.read_parquet(path)
    known = detect_drift(examples, predictions, suite, tmp_path / "known").tasks[0].newest
    table.loc[table["split"] == "test", "label"] = np.nan
    table.to_parquet(path, coerce_timestamps="us")
    late = detect_drift(examples, predictions, suite, tmp_path / "late").tasks[0].newest
    assert late.performance == known.performance


def test_before_labels_the_estimate_stands_alone(shop, suite, tmp_path):
    examples, predictions = shop()
    for table in (examples / "units.parquet", predictions / "units.parquet"):
        rows = pd.read_parquet(table)
        rows["label"] = rows["label"].astype(float).mask(rows["split"] == "test")
        rows.to_parquet(table, coerce_timestamps="us")
    newest = detect_drift(examples, predictions, suite, tmp_path / "out").tasks[0].newest
    assert newest.performance is None
    assert newest.estimate.truth is newest.estimate.error is None
    assert newest.estimate.low < newest.estimate.value < newest.estimate.high


def test_the_estimate_meets_the_truth_when_it_comes():
    estimates = estimate_windows(RETURNS, task_rows_of(make_rows(households=300)).predictions)
    assert all(one.truth is not None for one in estimates)
    assert mean_error(estimates) < 0.03
    inside = [one.low <= one.truth <= one.high for one in estimates]
    assert sum(inside) >= 6  # the interval tells of the mix of rows, not of the luck of their labels
    assert mean_error([None, *estimates]) == mean_error(estimates)
    assert mean_error([None]) is None


@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "count"])
def test_estimates_of_other_kinds_are_near_the_truth(kind):
    random = np.random.default_rng(0)
    size = 2000
    score = random.uniform(0.2, 1.0, size)
    right = random.random(size) < score**2  # overconfident: only calibration makes it right
    rows = pd.DataFrame({"cluster": np.arange(size), "score": score, "prediction": "a"})
    if kind == "count":
        rows["score"] = rows["prediction"] = 10 * score
        rows["label"] = rows["prediction"] + random.normal(0, rows["prediction"] / 5)
        truth = (rows["label"] - rows["prediction"]).abs()
    else:
        names = np.where(right, "a", "b")
        rows["label"] = [[name] for name in names] if kind == "multilabel" else names
        truth = pd.Series(right.astype(float))
    half = size // 2
    estimator = Estimator.fit(kind, rows[:half])
    assert estimator.row_values(rows[half:]).mean() == pytest.approx(truth[half:].mean(), rel=0.08)


def test_kinds_and_rows_that_teach_nothing_have_no_estimate():
    rows = pd.DataFrame({"label": [0, 1] * 200, "score": 0.5, "prediction": 0.5})
    assert Estimator.fit("ranking", rows) is None
    assert Estimator.fit("binary", rows.head(50)) is None
    assert Estimator.fit("binary", rows.assign(label=1)) is None


def test_a_loss_is_positive_in_either_direction():
    worse = Estimate(metric="mae", rows=9, value=3, low=2, high=4, reference=2, higher_is_better=False, truth=2.5)
    assert worse.loss == pytest.approx(0.5)
    assert worse.error == pytest.approx(0.5)


def test_whole_clusters_are_sampled_and_the_order_of_rows_does_not_matter():
    rows = pd.DataFrame({"cluster": np.repeat(np.arange(50), 4), "row": range(200)})
    kept = sample_clusters(rows, 100)
    assert len(kept) <= 100
    assert (kept["cluster"].value_counts() == 4).all()
    shuffled = sample_clusters(rows.sample(frac=1, random_state=1), 100)
    assert set(shuffled["row"]) == set(kept["row"])
    assert len(sample_clusters(rows.assign(cluster=1), 10)) == 10


def test_positions_become_names():
    column = pd.Series([np.array([0, 1]), [1], None])
    assert named_labels(column, ["milk", "bread"]).tolist() == [["milk", "bread"], ["bread"], None]
    assert named_labels(column, None) is column


def test_examples_without_reference_rows_have_no_signals_but_volume():
    windows = watched(lambda rows, _: rows[rows["split"] == "test"])
    assert {signal.kind for signal in windows[NEWEST]} == {"volume"}


def test_a_slice_whose_column_broke_is_left_out():
    windows = watched(lambda rows, chosen: rows.assign(age=np.where(chosen, None, rows["age"])))
    assert any(signal.slice.startswith("age: old") for signal in windows[NEWEST])
    assert isinstance(DriftReport.model_fields["version"].default, int)
