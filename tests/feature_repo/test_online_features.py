"""The online store: the newest values, unknown entities, and a folder that can move."""

import shutil

import numpy as np
import pandas as pd
import pytest

from feature_repo.push import push_features
from feature_repo.retrieval import apply, materialize, online_features
from feature_repo.views import COLUMNS


@pytest.fixture(scope="module")
def filled(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("online") / "store"
    apply(tables, folder)
    return folder, materialize(folder)


def last_week(tables, view):
    """The rows of the newest weekly moment: all that the time to live of seven days leaves."""
    table = pd.read_parquet(tables / f"features/{view}.parquet")
    return table[table.event_timestamp == table.event_timestamp.max()]


def test_every_entity_is_counted(filled, tables):
    _, counts = filled
    assert counts == {
        "campaign": 15,
        "household_history": 80,
        "household_profile": 80,
        "series_demand": 24,
        "category_week": 12,
        "household_activity": 80,
        "household_products": 80,
        "household_state": 80,
        "household_visit": 80,
        "household_category": len(last_week(tables, "household_category")),
        "household_campaign": len(pd.read_parquet(tables / "targets.parquet")),
    }


def test_online_values_are_the_newest_rows(filled, tables):
    table = pd.read_parquet(tables / "features/household_history.parquet")
    newest = table.sort_values("event_timestamp").groupby("household_id").tail(1).set_index("household_id")
    rows = online_features(filled[0], "next_category", [{"household_id": number} for number in (3, 1, 80)])
    for number, row in zip((3, 1, 80), rows, strict=True):
        assert row["history_text"] == newest.history_text[number]
        for name in ("category_ids", "category_count", "category_decayed", "category_gap"):
            np.testing.assert_array_equal(np.asarray(row[name], newest[name][number].dtype), newest[name][number])


def test_an_unknown_entity_is_none_and_a_missing_value_is_not(filled, tables):
    known, unknown = online_features(filled[0], "next_category", [{"household_id": 5}, {"household_id": 10**6}])
    assert unknown is None
    assert known["num_baskets"] == 75
    targets = pd.read_parquet(tables / "targets.parquet")
    never = sorted(set(range(1, 81)) - set(targets.household_id[targets.campaign_id == 2]))[0]
    (row,) = online_features(filled[0], "coupon_response", [{"household_id": never, "campaign_id": 2}])
    assert row["coupon_product_buys"] is None, "the household never received this campaign"
    assert row["num_baskets"] == 75
    assert row["campaign_type"] == "Type C"


def test_a_pushed_row_is_read_at_once_and_changes_no_other_household(filled, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(filled[0], folder)
    ask = ("household_event", [{"household_id": 3}, {"household_id": 4}])
    before = online_features(folder, *ask)
    stamp = {"household_id": 3, "event_timestamp": pd.Timestamp("2018-01-05", tz="UTC")}
    state = {name: before[0][name] for name in COLUMNS["household_state"][2]}
    push_features(folder, {"household_state": stamp | state | {"value_cents": 7, "campaign_times": []}})
    after = online_features(folder, *ask)
    assert (after[0]["value_cents"], after[0]["campaign_times"]) == (7, [])
    assert after[0]["basket_times"] == before[0]["basket_times"]
    assert after[1] == before[1]
    with pytest.raises(ValueError, match=r"rows can be pushed to household_profile, .*; found campaign"):
        push_features(folder, {"campaign": {}})


def test_the_store_knows_what_each_product_means(filled, tables):
    assortment = pd.read_parquet(filled[0] / "assortment.parquet").set_index("product_id")
    items = pd.read_parquet(tables / "items/products.parquet")
    assert assortment.loc[items.item_id, "position"].tolist() == list(range(len(items)))
    assert assortment.loc[items.item_id, "category"].tolist() == items.category.tolist()
    assert 9000 not in assortment.index, "fuel"
    assert 9001 not in assortment.index, "no category"


def test_a_store_answers_after_it_moved(filled, tmp_path):
    shutil.copytree(filled[0], tmp_path / "moved")
    ask = ("demand", [{"category_id": 0, "store_id": 300}])
    assert online_features(tmp_path / "moved", *ask) == online_features(filled[0], *ask)


def test_an_older_moment_can_be_materialised(tables, tmp_path):
    apply(tables, tmp_path)
    materialize(tmp_path, pd.Timestamp("2017-06-01"))
    (row,) = online_features(tmp_path, "next_category", [{"household_id": 5}])
    table = pd.read_parquet(tables / "features/household_profile.parquet")
    past = table[(table.household_id == 5) & (table.event_timestamp <= pd.Timestamp("2017-06-01"))]
    assert row["num_baskets"] == past.num_baskets.max() < 75


def test_wrong_questions_are_refused(filled, tmp_path):
    assert online_features(filled[0], "demand", []) == []
    with pytest.raises(ValueError, match="entity row 1 lacks the keys store_id"):
        online_features(filled[0], "demand", [{"category_id": 0, "store_id": 300}, {"category_id": 0}])
    with pytest.raises(ValueError, match="no feature service"):
        online_features(filled[0], "weather", [{"household_id": 1}])
    with pytest.raises(FileNotFoundError, match="run apply"):
        online_features(tmp_path, "demand", [{"category_id": 0, "store_id": 300}])
