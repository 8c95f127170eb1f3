"""Folding a history basket by basket gives what the batch code computes from the whole of it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ holds fixtures/, shared by several test folders

from fixtures import random_log

from polymart.data import assortment, household_state, shop
from polymart.data.shop_tables import FEATURES
from polymart.data.tables import Rules, connect
from serving.events.features import feature_rows
from serving.events.household import Basket, Counts, Household, fold

TABLES = (*household_state.CARRIED, "household_state")
STAMPS = ["household_id", "event_timestamp", "created_timestamp"]


def batch(folder: Path, log: pd.DataFrame, redeemed: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """The feature tables that the batch code makes of a log, and its baskets with the products in each."""
    with connect() as con:
        shop.load_shop(con, random_log.write_raw(folder, log, redeemed), Rules())
        tables = {name: FEATURES[name](con).to_pandas() for name in TABLES}
        baskets = con.execute("FROM baskets ORDER BY event_timestamp, basket_id").df()
    return tables, baskets


def told(basket: Any) -> Basket:
    """A row of the baskets as an event; here each category has one product, at the position of its id."""
    return Basket(
        str(basket.basket_id),
        int(basket.event_timestamp.timestamp()),
        basket.value_cents,
        basket.num_units,
        basket.num_lines,
        basket.num_coupon_lines,
        basket.category_ids,
        basket.category_ids,
    )


@settings(random_log.UNSHRUNK, max_examples=12)
@given(random_log.baskets, random_log.redemptions)
def test_every_moment_equals_the_batch_features(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Any], redemptions: list[Any]
) -> None:
    log, redeemed = random_log.events(drawn, redemptions)
    tables, baskets = batch(tmp_path_factory.mktemp("log"), log, redeemed)
    names = {number: letter.lower() for number, letter in enumerate("ABCDEF")}
    compared = 0
    for household_id, own in baskets.groupby("household_id"):
        state = Household.of(one(tables["household_state"], household_id))
        folded = Household(redemption_times=state.redemption_times, campaign_times=state.campaign_times)
        for basket, following in zip(own.itertuples(), [*own.event_timestamp[1:], None], strict=True):
            folded = fold(folded, told(basket))
            if basket.event_timestamp == following:
                continue  # two baskets of one second are one moment
            rows = feature_rows(household_id, folded, names)
            for name in household_state.CARRIED:
                assert_same(rows[name], one(tables[name], household_id, basket.event_timestamp), name)
                compared += 1
        assert_same(folded.row(), one(tables["household_state"], household_id), "household_state")
    assert compared == sum(len(tables[name]) for name in household_state.CARRIED)


def one(table: pd.DataFrame, household_id: Any, at: Any = None) -> dict[str, Any]:
    """The features of a household, at a moment where it has several."""
    rows = table[table.household_id == household_id]
    (row,) = (rows if at is None else rows[rows.event_timestamp == at]).drop(columns=STAMPS).to_dict("records")
    return {str(name): value for name, value in row.items()}


def assert_same(found: dict[str, Any], expected: dict[str, Any], name: str) -> None:
    """Equal up to what float32 holds; None is a missing number."""
    found = {key: value for key, value in found.items() if key not in STAMPS}
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if isinstance(value, str) or (len(np.shape(value)) and isinstance(next(iter(value), 0), str)):
            assert np.array_equal(found[key], value), f"{name}.{key}"
        else:
            number = np.nan if found[key] is None else found[key]
            np.testing.assert_allclose(number, value, rtol=1e-6, atol=1e-12, err_msg=f"{name}.{key}")


def test_a_long_history_keeps_the_products_with_the_highest_decayed_count() -> None:
    random = np.random.default_rng(4)
    folded = Household()
    for number in range(60):
        bought = np.unique(random.integers(0, 300, 12))
        folded = fold(folded, Basket(str(number), 86_400 * number**2, 100, 1, 1, 0, np.array([1]), bought))
    ids, decayed = folded.products.ids_N, folded.products.decayed_N
    row = feature_rows(1, folded, {1: "milk"})["household_products"]
    assert len(ids) > len(row["product_ids"]) == assortment.MAX_PRODUCTS
    assert list(row["product_ids"]) == sorted(row["product_ids"])
    assert row["product_decayed"].min() >= decayed[~np.isin(ids, row["product_ids"])].max()


def test_of_two_baskets_of_one_second_the_row_after_both_is_the_newer() -> None:
    first = fold(Household(), Basket("1", 1_000, 500, 2, 1, 0, np.array([3]), np.array([7])))
    second = fold(first, Basket("2", 1_000, 500, 2, 1, 0, np.array([3]), np.array([7])))
    later = fold(second, Basket("3", 1_001, 500, 2, 1, 0, np.array([3]), np.array([7])))
    assert first.newest == second.newest == first.stamp < second.stamp < later.stamp == later.newest
    assert feature_rows(1, second, {3: "milk"})["household_state"]["event_timestamp"] == second.stamp


def test_a_basket_leaves_the_household_that_it_is_folded_into_as_it_was() -> None:
    basket = Basket("1", 1_000, 500, 2, 1, 0, np.array([3]), np.array([7]))
    before = fold(Household(), basket)
    copy = Household.of(before.row())
    fold(before, replace(basket, at_s=2_000, category_ids=np.array([2, 3])))
    assert_same(before.row(), copy.row(), "household_state")
    assert before.categories.after(np.array([3]), 28).decayed_N.tolist() == [1.5]
    assert Counts().after(np.array([4, 9]), 0).columns("x")["x_ids"].tolist() == [4, 9]
