"""The previous release on the rows of a window: the same number as its own predictions would give."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest
from fixtures.tiny_suite import tiny_checkpoint, tiny_suite, tiny_tables, write_tiny_examples

from monitoring.performance import score_rows
from monitoring.previous import PreviousRelease
from monitoring.schema import WindowReport
from polymart.evaluation.scoring import predictions_of, write_predictions
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import save_checkpoint

NOON = datetime(2017, 1, 3, 12)
WINDOW = WindowReport(start=NOON, end=NOON + timedelta(days=2), rows=0)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Tables of the task units and the checkpoint of a release that was trained on them."""
    folder = tmp_path_factory.mktemp("previous")
    suite = tiny_suite("units")
    write_tiny_examples(folder / "examples")
    save_checkpoint(tiny_checkpoint(suite), folder / "checkpoint")
    predictor, task = Predictor.load(folder / "checkpoint"), suite.task("units")
    rows = tiny_tables()["units"].query("split != 'train'").reset_index(drop=True)
    (folder / "predictions").mkdir()
    found = predictions_of(predictor, task, rows)
    write_predictions(folder / "predictions" / "units.parquet", predictor, task, rows, found)
    return folder


TASK = tiny_suite("units").task("units")


def asked(place, task=TASK, *, examples=None, fetch=None):
    fetch = fetch or (lambda: place / "checkpoint")
    release = PreviousRelease(fetch, examples or place / "examples", place / "predictions", tiny_suite("units"))
    return release.performance(task, WINDOW)


def test_it_is_measured_on_the_labelled_rows_of_the_window(place):
    rows = pd.read_parquet(place / "predictions" / "units.parquet").query("split == 'test'")
    inside = rows[rows["event_timestamp"].between(WINDOW.start, WINDOW.end, inclusive="left")]
    assert 5 < len(inside) < len(rows)
    assert asked(place) == pytest.approx(score_rows("count", inside))


def test_a_release_without_the_task_or_with_another_label_is_unknown(place):
    for other in ({"name": "mood"}, {"kind": "regression"}):
        assert asked(place, TASK.model_copy(update=other)) == "the previous release has no such task"


def test_a_checkpoint_that_is_gone_stops_no_pass(place, tmp_path):
    assert "unknown" in asked(place, fetch=lambda: tmp_path / "gone")


def test_rows_without_an_example_are_told(place, tmp_path):
    examples = pd.read_parquet(place / "examples" / "units.parquet")
    moved = examples[examples["event_timestamp"] < WINDOW.start]
    moved.to_parquet(tmp_path / "units.parquet", coerce_timestamps="us")
    assert "rows have no example" in asked(place, examples=tmp_path)
