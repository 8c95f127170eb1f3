"""Clean tables of the shop, its items, and the label tables of its decisions."""

from __future__ import annotations

import numpy as np
import pandera.pandas as pa

from polymart.schemas.columns import SPLITS, anything, count, decision, key, lists, number, table, text, time

WHOLE_CAMPAIGN = pa.Check(lambda f: f.end_date >= f.start_date, error="a campaign ends after it starts")

HOUSEHOLD = {"household_id": key(), "age_band": text(), "income_band": text()}
CATEGORY = {"category_id": key(), "department": pa.Column(str)}
STORE = {"store_id": key(), "store_baskets_13w": number()}
"""Keys of label rows with the groups that they belong to (`polymart.data.groups`)."""

SHOP = [
    table(
        "transactions",
        {
            "household_id": key(),
            "store_id": key(),
            "basket_id": key(),
            "product_id": key(),
            "category_id": key(),
            "quantity": count(1, 50),
            "sales_value": number(),
            "retail_disc": number(None),
            "coupon_disc": number(None),
            "coupon_match_disc": number(None),
            "event_timestamp": time(),
            "local_date": anything(),
            "local_hour": count(0, 23),
            "week_start": anything(),
        },
        [],
    ),
    table(
        "products",
        {
            "product_id": key(),
            "manufacturer_id": key(),
            "department": text(),
            "brand": text(),
            "category": text(nullable=True),
            "product_type": text(nullable=True),
            "package_size": text(nullable=True),
        },
        ["product_id"],
    ),
    table(
        "categories",
        {
            "category_id": key(),
            "category": text(),
            "department": text(),
            "num_lines": count(1),
            "name": text(),
            "category_text": text(),
        },
        ["name"],
        pa.Check(lambda f: f.category_id == np.arange(len(f)), error="category_id counts from 0 in the order of rows"),
    ),
    table(
        "baskets",
        {
            "household_id": key(),
            "basket_id": key(),
            "store_id": key(),
            "event_timestamp": time(),
            "value_cents": count(),
            "num_units": count(1),
            "num_lines": count(1),
            "num_coupon_lines": count(),
            "category_ids": lists(ids=True),
        },
        ["household_id", "basket_id"],
    ),
    table(
        "campaigns",
        {
            "campaign_id": key(),
            "campaign_type": text(),
            "start_date": anything(),
            "end_date": anything(),
            "start_timestamp": time(),
            "end_timestamp": time(),
        },
        ["campaign_id"],
        WHOLE_CAMPAIGN,
    ),
    table("targets", {"campaign_id": key(), "household_id": key()}, ["campaign_id", "household_id"]),
    table(
        "coupons",
        {"coupon_upc": key(), "product_id": key(), "campaign_id": key()},
        ["coupon_upc", "product_id", "campaign_id"],
    ),
    table(
        "redemptions",
        {
            "household_id": key(),
            "coupon_upc": key(),
            "campaign_id": key(),
            "redemption_date": anything(),
            "known_timestamp": time(),
        },
        ["household_id", "coupon_upc", "campaign_id", "redemption_date"],
    ),
    table(
        "items/products",
        {
            "item_id": key(),
            "text": text(),
            "category": text(),
            "category_id": key(),
            **{name: pa.Column(str) for name in ("product_type", "package", "brand")},
        },
        ["item_id"],
        pa.Check(lambda f: f.item_id.is_monotonic_increasing, error="item_id ascends in the order of rows"),
    ),
    decision("labels/next_category", {**HOUSEHOLD, "label": lists(ids=True)}),
    decision("labels/coupon_response", {**HOUSEHOLD, "campaign_id": key(), "label": count(0, 1)}),
    decision("labels/demand", {**CATEGORY, **STORE, "series_id": text(), "label": number()}),
    decision("labels/next_product", {**HOUSEHOLD, "label": lists(ids=True)}),
    decision("labels/repurchase_7d", {**HOUSEHOLD, **CATEGORY, "label": count(0, 1)}),
    decision("labels/next_action", {**HOUSEHOLD, "label": count(0, 1)}),
    decision("labels/churn", {**HOUSEHOLD, "label": count(0, 1)}),
    table(
        "labels/search_relevance",
        {
            **{name: text() for name in ("example_id", "query_id", "query", "product_text")},
            "label": count(0, 3),
            "split": text(SPLITS),
        },
        ["example_id"],
        pa.Check(lambda f: f.groupby("query_id").split.transform("nunique") == 1, error="a query stands in one split"),
    ),
]
