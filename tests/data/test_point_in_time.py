"""No feature may know what happens after its time: two independent proofs on random logs."""

import numpy as np
import pandas as pd
import pytest
from fixtures import random_log
from fixtures.shop import make_shop
from hypothesis import given, settings
from hypothesis import strategies as st

from polymart.data import demand, features, history, shop
from polymart.data.tables import Rules, connect

FUZZ = settings(random_log.UNSHRUNK, max_examples=15)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("log")


def build(folder, log, redeemed):
    con = connect()
    shop.load_shop(con, random_log.write_raw(folder, log, redeemed), Rules())
    made = {
        module.__name__: module(con).to_pandas()
        for module in (features.household_profile, history.household_history, features.household_campaign)
    }
    con.close()
    return made


@FUZZ
@given(random_log.baskets, random_log.redemptions)
def test_household_features_equal_a_plain_recomputation_from_the_past(folder, baskets, redemptions):
    log, redeemed = random_log.events(baskets, redemptions)
    made = build(folder, log, redeemed)
    profile = made["household_profile"]
    moments = set(zip(log.household_id, log.time, strict=True))
    assert moments == set(zip(profile.household_id, profile.event_timestamp, strict=True))
    assert len(moments) == len(profile)
    for row in profile.to_dict("records"):
        expected = random_log.profile_at(log, redeemed, row["household_id"], row["event_timestamp"])
        np.testing.assert_allclose([row[name] for name in expected], list(expected.values()), err_msg=str(row))
    for row in made["household_history"].to_dict("records"):
        expected = random_log.history_at(log, row["household_id"], row["event_timestamp"])
        assert list(row["category_ids"]) == sorted(expected)
        found = list(zip(row["category_count"], row["category_decayed"], row["category_gap"], strict=True))
        np.testing.assert_allclose(found, [expected[key] for key in sorted(expected)], rtol=1e-5)


@FUZZ
@given(random_log.baskets)
def test_household_campaign_counts_lines_before_the_start(folder, baskets):
    log, redeemed = random_log.events(baskets, [])
    for row in build(folder, log, redeemed)["household_campaign"].itertuples():
        expected = random_log.household_campaign_at(log, row.household_id, row.campaign_id)
        np.testing.assert_allclose([row.coupon_product_buys, row.coupon_category_share], expected)


@FUZZ
@given(random_log.baskets, random_log.redemptions, st.integers(0, 60 * 24))
def test_features_do_not_change_when_the_future_is_cut_off(folder, baskets, redemptions, hours):
    log, redeemed = random_log.events(baskets, redemptions)
    cut = random_log.START + pd.Timedelta(hours=hours)
    whole = build(folder, log, redeemed)
    today = random_log.local(cut).normalize().tz_localize(None)
    early = build(folder, log[log.time <= cut], redeemed[redeemed.redemption_date < today])
    for name, table in whole.items():
        past = [frame[frame.event_timestamp <= cut].reset_index(drop=True) for frame in (table, early[name])]
        pd.testing.assert_frame_equal(*past)


def demand_tables(source):
    con = connect()
    shop.load_shop(con, source, Rules())
    demand.load_demand(con, Rules())
    made = demand.series_demand(con).to_pandas(), demand.demand_labels(con, Rules()).to_pandas()
    con.close()
    return made


def test_demand_features_come_from_whole_weeks_before(tmp_path):
    source = make_shop(tmp_path, seed=3)["completejourney"]
    made, labels = demand_tables(source)
    log = pd.read_parquet(source / "transactions.parquet")
    cut = pd.Timestamp("2017-11-06 05:00:00")  # a Monday's midnight in New York
    log[log.transaction_timestamp < cut].to_parquet(source / "transactions.parquet", index=False)
    early, _ = demand_tables(source)
    past = made[made.event_timestamp <= cut].reset_index(drop=True)
    pd.testing.assert_frame_equal(past, early)
    assert early.event_timestamp.max() == cut, "the week that begins at the cut is forecast from the weeks before it"
    joined = labels.merge(made, on=["category_id", "store_id", "event_timestamp"]).sort_values("event_timestamp")
    for _, series in joined.groupby("series_id"):
        units = series.label.to_numpy()
        np.testing.assert_array_equal(series.units_lag1.to_numpy()[1:], units[:-1])
        np.testing.assert_allclose(series.units_mean13.to_numpy()[20], units[7:20].mean())
        np.testing.assert_allclose(series.units_std13.to_numpy()[20], units[7:20].std())
        np.testing.assert_allclose(series.units_mean4.to_numpy()[20], units[16:20].mean())
        assert series.zero_weeks13.to_numpy()[20] == (units[7:20] == 0).sum()
