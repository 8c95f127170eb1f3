"""What the examples say of the newest feature rows, from the join to the file."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from feature_repo.retrieval import apply, retrieve
from polymart.config import Suite, load_suite
from polymart.data.examples import write_examples
from polymart.evaluation.feature_age import feature_ages

QUICK = Path(__file__).parents[2] / "suites" / "quick.yaml"
STOPPED = pd.Timestamp("2017-10-05")


@pytest.fixture(scope="module")
def stale(tables, tmp_path_factory):
    """The shop's tables, whose household profiles were not updated after a day in autumn."""
    folder = shutil.copytree(tables, tmp_path_factory.mktemp("stale") / "tables")
    path = folder / "features/household_profile.parquet"
    profiles = pd.read_parquet(path)
    profiles[profiles.event_timestamp <= STOPPED].to_parquet(path, coerce_timestamps="us")
    return folder


@pytest.fixture(scope="module")
def suite():
    """The quick suite's tasks on households."""
    quick = load_suite(QUICK)
    tasks = [quick.task(name) for name in ("next_category", "coupon_response")]
    return Suite.model_validate(quick.model_dump() | {"tasks": tasks})


def ages(tables, suite, folder):
    apply(tables, folder / "store")
    write_examples(tables, suite, folder / "examples", retrieve=lambda s, rows: retrieve(folder / "store", s, rows))
    return {(age.source, age.features): age for age in feature_ages(folder / "examples", suite)}


def test_a_table_that_stopped_being_updated_is_as_old_as_its_last_row(tables, stale, suite, tmp_path):
    fresh, old = ages(tables, suite, tmp_path / "fresh"), ages(stale, suite, tmp_path / "old")
    assert fresh.keys() == old.keys()
    assert {table for source, table in fresh if source == "coupon_response"} == {
        "household_profile", "campaign", "household_campaign",
    }  # fmt: skip
    for key in fresh:
        if key[1] == "household_profile":
            assert fresh[key].age_days < 2
            assert old[key].newest_feature.replace(tzinfo=None) <= STOPPED
            assert old[key].age_days >= (old[key].newest_label.replace(tzinfo=None) - STOPPED).days
        else:
            assert fresh[key] == old[key]


def test_rows_that_nobody_knew_yet_make_nothing_newer(tables, tmp_path):
    rows = pd.read_parquet(tables / "labels/next_category.parquet").head(50)
    folder = shutil.copytree(tables, tmp_path / "tables")
    path = folder / "features/household_profile.parquet"
    profiles = pd.read_parquet(path).sort_values("event_timestamp", ignore_index=True)
    known = profiles[profiles.event_timestamp <= rows.event_timestamp.max()]
    profiles.loc[known.index[-3:], "created_timestamp"] += pd.Timedelta(days=400)
    profiles.to_parquet(path, coerce_timestamps="us")
    apply(folder, tmp_path / "store")
    newest = retrieve(tmp_path / "store", "next_category", rows).attrs["newest_features"]
    assert pd.Timestamp(newest["household_profile"]).tz_localize(None) == known.event_timestamp.iloc[-4].floor("s")
