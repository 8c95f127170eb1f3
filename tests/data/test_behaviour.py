"""Visits, activity, habits and products: equal to plain recomputations, and blind to the future."""

import numpy as np
import pandas as pd
import pytest
from fixtures import random_log
from fixtures.shop import make_shop
from hypothesis import given, settings
from hypothesis import strategies as st

from polymart.data import assortment, behaviour, history, repurchase, shop
from polymart.data.tables import Rules, connect

FUZZ = settings(random_log.UNSHRUNK, max_examples=8)
DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("log")


def build(source, *builders):
    """The named tables of a log, as frames."""
    with connect() as con:
        shop.load_shop(con, source, Rules())
        behaviour.load_visits(con)
        if repurchase.household_category in builders:
            repurchase.load_habits(con)
        return {builder.__name__: builder(con).to_pandas() for builder in builders}


def visits_of(log, household, until):
    times = log.time[(log.household_id == household) & (log.time <= until)]
    return times.drop_duplicates().sort_values().reset_index(drop=True)


@FUZZ
@given(random_log.baskets)
def test_visits_and_activity_equal_a_plain_recomputation_from_the_past(folder, baskets):
    log, redeemed = random_log.events(baskets, [])
    source = random_log.write_raw(folder, log, redeemed)
    made = build(source, behaviour.household_visit, behaviour.household_activity)
    assert len(made["household_visit"]) == len(log[["household_id", "time"]].drop_duplicates())
    for row in made["household_visit"].itertuples():
        times = visits_of(log, row.household_id, row.event_timestamp)
        gaps = times.diff().dropna() / DAY
        local = random_log.local(row.event_timestamp)
        assert row.visit_weekday == local.day_name().lower()
        found = [row.gap_days_before, row.gap_days_recent, row.quick_return_share, row.visits_7d]
        before = gaps.iloc[-2] if len(gaps) > 1 else np.nan
        recent = (times >= row.event_timestamp - 7 * DAY).sum()
        np.testing.assert_allclose(found, [before, gaps.tail(5).mean(), (gaps <= 3).mean(), recent])
        days = [random_log.local(time).dayofweek for time in times]
        following = {(local.dayofweek + step) % 7 for step in (1, 2, 3)}
        np.testing.assert_allclose(row.next_weekdays_share, np.mean([day in following for day in days]))
    for row in made["household_activity"].itertuples():
        times = visits_of(log, row.household_id, row.event_timestamp)
        ages, gaps = (row.event_timestamp - times) / DAY, times.diff().dropna() / DAY
        spend = log[(log.household_id == row.household_id) & (log.time <= row.event_timestamp)]
        found = [row.days_since_visit, row.visits_28d, row.visits_84d, row.usual_gap_days, row.active_weeks_12]
        weeks = len(set((ages[ages < 84] // 7).astype(int)))
        np.testing.assert_allclose(found, [ages.min(), (ages < 28).sum(), (ages < 84).sum(), gaps.mean(), weeks])
        newest = spend[spend.time > row.event_timestamp - 28 * DAY]
        np.testing.assert_allclose(row.spend_28d, newest.quantity.sum() * 1.25)


@FUZZ
@given(random_log.baskets)
def test_products_have_the_history_of_their_categories_where_each_has_one(folder, baskets):
    log, redeemed = random_log.events(baskets, [])
    source = random_log.write_raw(folder, log, redeemed)
    made = build(source, history.household_history, assortment.household_products)
    categories = made["household_history"].drop(columns="history_text")
    categories.columns = [name.replace("category", "product") for name in categories]
    pd.testing.assert_frame_equal(made["household_products"], categories)


@FUZZ
@given(random_log.baskets, st.integers(0, 60 * 24))
def test_nothing_changes_when_the_future_is_cut_off(folder, baskets, hours):
    log, redeemed = random_log.events(baskets, [])
    cut = random_log.START + pd.Timedelta(hours=hours)
    builders = behaviour.household_visit, behaviour.household_activity, assortment.household_products
    whole = build(random_log.write_raw(folder, log, redeemed), *builders)
    known = log[log.time <= cut]
    early = build(random_log.write_raw(folder, known, redeemed), *builders)
    # the shorter log makes no decision moments after the end of its last day
    day_after = random_log.local(known.time.max()).normalize() + pd.DateOffset(days=1)
    last = min(cut, day_after.tz_convert("UTC").tz_localize(None))
    for name, table in whole.items():
        past = [frame[frame.event_timestamp <= last].reset_index(drop=True) for frame in (table, early[name])]
        pd.testing.assert_frame_equal(*past)


def test_long_histories_keep_the_highest_decayed_counts(tables, sources, monkeypatch):
    whole = pd.read_parquet(tables / "features/household_products.parquet")
    monkeypatch.setattr(assortment, "MAX_PRODUCTS", 5)
    short = build(sources["completejourney"], assortment.household_products)["household_products"]
    assert short.product_ids.map(len).max() == 5
    for number in range(0, len(whole), 997):
        row, kept = whole.iloc[number], short.iloc[number]
        best = sorted(zip(-row.product_decayed, row.product_ids, strict=True))[:5]
        assert sorted(position for _, position in best) == list(kept.product_ids)
        places = np.searchsorted(row.product_ids, kept.product_ids)
        np.testing.assert_array_equal(row.product_gap[places], kept.product_gap)


@pytest.fixture(scope="module")
def log(sources):
    """Lines of the synthetic shop that survive cleaning, with the moments of purchases per category."""
    raw = pd.read_parquet(sources["completejourney"] / "transactions.parquet").drop_duplicates()
    raw = raw[raw.product_id.between(1000, 1999) & (raw.quantity > 0)]
    return raw.rename(columns={"transaction_timestamp": "time"})


def test_habits_equal_a_plain_recomputation(tables, log):
    read = {name: pd.read_parquet(tables / f"features/{name}.parquet") for name in ("household_category",)}
    labels = pd.read_parquet(tables / "labels/repurchase_7d.parquet")
    names = pd.read_parquet(tables / "categories.parquet").category.tolist()
    products = pd.read_parquet(tables / "products.parquet").set_index("product_id").category
    category_id = log.product_id.map(products).map(names.index)
    times = {
        key: group.time.drop_duplicates().sort_values() for key, group in log.groupby([log.household_id, category_id])
    }
    joined = labels.merge(read["household_category"], on=["household_id", "category_id", "event_timestamp"])
    assert len(joined) == len(labels) > 1000
    for row in joined.sample(300, random_state=0).itertuples():
        own = times[row.household_id, row.category_id]
        past = own[own <= row.event_timestamp]
        ages, gaps = (row.event_timestamp - past) / DAY, past.diff().dropna() / DAY
        assert len(past) >= 4
        assert ages.min() < 28
        found = [row.days_since_bought, row.bought_count, row.bought_gap_days, row.bought_gap_days_last, row.bought_28d]
        np.testing.assert_allclose(found, [ages.min(), len(past), gaps.mean(), gaps.iloc[-1], (ages < 28).sum()])
        np.testing.assert_allclose(row.bought_decayed, (0.5 ** (ages / 28)).sum(), atol=1e-5)
        assert row.label == ((own > row.event_timestamp) & (own <= row.label_end)).any()
        assert 6.9 * DAY < row.label_end - row.event_timestamp < 7.1 * DAY


def test_a_categorys_rate_comes_from_weeks_that_are_over(tables):
    labels = pd.read_parquet(tables / "labels/repurchase_7d.parquet")
    weeks = pd.read_parquet(tables / "features/category_week.parquet")
    for row in weeks.sample(60, random_state=0).itertuples():
        own = labels[labels.category_id == row.category_id]
        over = own[(own.label_end <= row.event_timestamp) & (own.event_timestamp > row.event_timestamp - 29 * DAY)]
        assert row.habits_past == len(over)
        np.testing.assert_allclose(row.repurchase_rate, over.label.mean())


def test_labels_tell_what_happened_after_the_moment(tables, log):
    times = {
        household: group.drop_duplicates().sort_values() for household, group in log.time.groupby(log.household_id)
    }
    end = log.time.max()
    for name, days, share in (("next_action", 3, 0.3), ("churn", 30, 1.0)):
        labels = pd.read_parquet(tables / f"labels/{name}.parquet")
        assert labels.label_end.max() <= end.normalize() + 2 * DAY
        for row in labels.sample(frac=share, random_state=0).head(400).itertuples():
            own = times[row.household_id]
            later = ((own > row.event_timestamp) & (own <= row.label_end)).any()
            assert row.label == (later if name == "next_action" else not later)
            assert abs((row.label_end - row.event_timestamp) / DAY - days) < 0.05
    assert set(random_log.local(time).day for time in labels.event_timestamp + pd.Timedelta(seconds=1)) == {1}


def test_the_next_basket_in_products_is_the_next_basket_in_categories(tables):
    items = pd.read_parquet(tables / "items/products.parquet")
    products = pd.read_parquet(tables / "labels/next_product.parquet")
    categories = pd.read_parquet(tables / "labels/next_category.parquet")
    assert products.drop(columns="label").equals(categories.drop(columns="label"))
    seen = products.label.map(lambda positions: sorted(set(items.category_id.to_numpy()[positions])))
    assert seen.tolist() == categories.label.map(list).tolist()


def test_a_shop_that_is_new_has_no_monthly_decision(tmp_path):
    source = make_shop(tmp_path, seed=1)["completejourney"]
    lines = pd.read_parquet(source / "transactions.parquet")
    lines[lines.transaction_timestamp < "2017-02-20"].to_parquet(source / "transactions.parquet", index=False)
    rules = Rules()
    with connect() as con:
        shop.load_shop(con, source, rules)
        assert behaviour.churn_labels(con, rules).num_rows == 0
    assert rules.entries[-1]["rows_before"] > 0
