import pandas as pd
import pytest
from fixtures.shop import make_shop

from polymart.data.groups import UNKNOWN
from polymart.data.prepare import prepare_tables


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Raw files of a shop and the tables made of them."""
    root = tmp_path_factory.mktemp("groups")
    source = make_shop(root / "raw")["completejourney"]
    report = prepare_tables({"completejourney": source}, root / "tables")
    return source, root / "tables", report


def labels(prepared, name: str) -> pd.DataFrame:
    return pd.read_parquet(prepared[1] / f"labels/{name}.parquet")


@pytest.mark.parametrize(
    "name", ["next_category", "next_product", "repurchase_7d", "next_action", "churn", "coupon_response"]
)
def test_rows_of_households_tell_age_and_income(prepared, name):
    asked = pd.read_parquet(prepared[0] / "demographics.parquet").set_index("household_id")
    rows = labels(prepared, name)
    assert rows.age_band.tolist() == rows.household_id.map(asked.age).fillna(UNKNOWN).tolist()
    bands = {"Under 15K": "under 50K", "50-74K": "50 to 100K", "250K+": "100K and more"}
    expected = rows.household_id.map(asked.income).map(bands).fillna(UNKNOWN)
    assert rows.income_band.tolist() == expected.tolist()
    assert set(rows.income_band) == {*bands.values(), UNKNOWN}


@pytest.mark.parametrize("name", ["demand", "repurchase_7d"])
def test_rows_of_categories_tell_the_department(prepared, name):
    categories = pd.read_parquet(prepared[1] / "categories.parquet").set_index("category_id")
    rows = labels(prepared, name)
    assert rows.department.tolist() == rows.category_id.map(categories.department).tolist()


def test_the_size_of_a_store_counts_what_it_sold_before(prepared):
    baskets = pd.read_parquet(prepared[1] / "baskets.parquet")
    local = baskets.event_timestamp.dt.tz_localize("UTC").dt.tz_convert("America/New_York").dt.tz_localize(None)
    baskets["week"] = local.dt.to_period("W").dt.start_time
    for row in (
        labels(prepared, "demand")
        .drop_duplicates(["store_id", "event_timestamp"])
        .sample(40, random_state=0)
        .itertuples()
    ):
        opens = row.event_timestamp.tz_localize("UTC").tz_convert("America/New_York").tz_localize(None)
        own = baskets[(baskets.store_id == row.store_id) & (baskets.event_timestamp < row.event_timestamp)]
        assert row.store_baskets_13w == (own.week >= opens - pd.Timedelta(weeks=13)).sum()


def test_tables_without_such_keys_stay_as_they_are(prepared):
    assert {"age_band", "department", "store_baskets_13w"}.isdisjoint(labels(prepared, "search_relevance"))


def test_a_shop_without_demographics_knows_nobody(prepared, tmp_path):
    raw = make_shop(tmp_path / "raw")["completejourney"]
    (raw / "demographics.parquet").unlink()
    report = prepare_tables({"completejourney": raw}, tmp_path / "tables", wanted=["churn"])
    rows = pd.read_parquet(tmp_path / "tables/labels/churn.parquet")
    assert set(rows.age_band) == set(rows.income_band) == {UNKNOWN}
    (rule,) = (rule for rule in report["rules"] if rule["table"] == "demographics")
    assert rule["rows_changed"] == rule["rows_before"] > 0
