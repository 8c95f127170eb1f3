"""Example tables: what they hold, what is left out, and what stops a run."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from polymart.config import load_suite
from polymart.data import examples
from polymart.data.prepare import prepare_tables
from polymart.errors import LabelError, TableError
from polymart.files import read_json

SUITE = load_suite(Path(__file__).parents[2] / "suites/quick.yaml")


def join_by_pandas(tables):
    """A point-in-time join that needs no feature store."""
    keys = {
        "next_category": {"household_profile": "household_id", "household_history": "household_id"},
        "coupon_response": {
            "household_profile": "household_id",
            "campaign": "campaign_id",
            "household_campaign": ["household_id", "campaign_id"],
        },
        "demand": {"series_demand": ["category_id", "store_id"]},
    }

    def retrieve(service, rows):
        joined = rows.assign(order=range(len(rows))).sort_values("event_timestamp")
        for view, by in keys[service].items():
            table = pd.read_parquet(tables / f"features/{view}.parquet").drop(columns="created_timestamp")
            joined = pd.merge_asof(joined, table.sort_values("event_timestamp"), on="event_timestamp", by=by)
        return joined.sort_values("order", ignore_index=True).drop(columns="order")

    return retrieve


@pytest.fixture(scope="module")
def written(tables, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "examples"
    return examples.write_examples(tables, SUITE, out, retrieve=join_by_pandas(tables)), out


def test_every_task_has_rows_in_every_split(written):
    index, out = written
    assert set(index.tasks) == {task.name for task in SUITE.tasks}
    assert index == examples.read_examples_index(out)
    for name, entry in index.tasks.items():
        frame = examples.read_examples(out, name)
        assert frame.split.value_counts().to_dict() == entry.rows
        assert min(entry.rows.values()) > 0
        assert set(frame.columns) == set(entry.columns)
    assert index.tasks["intent"].licence == "CC-BY-4.0"
    assert index.tasks["coupon_response"].data_origin == "real-redated"


def test_the_same_tables_give_the_same_digest(tables, written, tmp_path):
    again = examples.write_examples(tables, SUITE, tmp_path / "examples", retrieve=join_by_pandas(tables))
    assert again.digest == written[0].digest


def test_purged_rows_are_counted_and_gone(tables, sources, tmp_path):
    task = SUITE.task("coupon_response")
    split = task.split.model_copy(update={"val_from": date(2017, 9, 1)})
    late = task.model_copy(update={"split": split})
    rows = examples.build_label_rows(tables, late, 1)
    labels = pd.read_parquet(tables / "labels/coupon_response.parquet")
    assert rows.attrs["purged"] == len(labels) - len(rows) > 0
    assert set(rows.split) <= {"train", "val", "test"}


def test_an_absent_label_table_skips_its_task_with_one_line(sources, tmp_path):
    prepare_tables({"amazon_graded": sources["amazon_graded"]}, tmp_path / "tables")
    index = examples.write_examples(tmp_path / "tables", SUITE, tmp_path / "out", retrieve=None)
    assert set(index.tasks) == {"sentiment"}
    assert set(index.skipped) == {task.name for task in SUITE.tasks} - {"sentiment"}
    assert all("absent" in line and "\n" not in line for line in index.skipped.values())
    with pytest.raises(TableError, match="absent"):
        examples.build_label_rows(tmp_path / "tables", SUITE.task("intent"), 1)


def broken_examples(tables, name):
    task = SUITE.task(name)
    rows = examples.build_label_rows(tables, task, SUITE.seed)
    joined = join_by_pandas(tables)(task.feature_service, rows) if task.feature_service else rows.copy()
    return task, rows, joined, read_json(tables / "labels/labels.json")[task.source]


def test_a_join_that_loses_rows_is_stopped(tables):
    task, rows, joined, info = broken_examples(tables, "demand")
    lost = f"{len(rows)} label rows went into the feature join, {len(rows) - 1} came back"
    with pytest.raises(TableError, match=lost):
        examples.finish_examples(joined.iloc[1:], task, info, expected=rows)
    with pytest.raises(TableError, match="order changed"):
        examples.finish_examples(joined.iloc[::-1], task, info, expected=rows)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sentiment", "furious"),
        ("coupon_response", 2),
        ("demand", float("nan")),
        ("demand", -1.0),
        ("next_category", [0, 99]),
        ("next_category", []),
    ],
)
def test_a_foreign_label_names_task_count_and_examples(tables, name, value):
    task, _, joined, info = broken_examples(tables, name)
    column = joined.label.astype(object)
    for row in (4, 5, 6, 7):
        column.at[row] = value
    shown = ", ".join(joined.example_id[4:7])
    with pytest.raises(LabelError, match=rf"{name}.*\n?.*4 such rows, e\.g\. {shown}"):
        examples.finish_examples(joined.assign(label=column), task, info)


def test_missing_and_infinite_inputs_are_named(tables):
    task, _, joined, info = broken_examples(tables, "demand")
    with pytest.raises(TableError, match="'units_lag2' is missing in all"):
        examples.finish_examples(joined.assign(units_lag2=np.nan), task, info)
    joined.loc[3, "chain_lag1"] = np.inf
    with pytest.raises(TableError, match=f"'chain_lag1' is infinite in 1 rows, e.g. {joined.example_id[3]}"):
        examples.finish_examples(joined, task, info)
    with pytest.raises(TableError, match="units_lag1 are absent"):
        examples.finish_examples(joined.drop(columns="units_lag1"), task, info)
    with pytest.raises(TableError, match="no val examples"):
        examples.finish_examples(joined[joined.split != "val"], task, info)
