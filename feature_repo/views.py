"""Feature views: which columns each table offers, of which type, and how long a value stays good.

A household's and a campaign's values hold until the next row, however long that takes: no time to live, for a
household that comes back after a year is still the household it was. A series' value holds for its week: after
7 days without a new row the feature is missing rather than stale.
"""

from __future__ import annotations

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Array, FeastType, Float32, Float64, Int64, String

from feature_repo.entities import campaign, category, household, store

FOREVER = timedelta(0)
"""Feast reads a zero as: no expiry."""
ONE_WEEK = timedelta(days=7)

COLUMNS: dict[str, tuple[list[Entity], timedelta, dict[str, FeastType]]] = {
    "household_profile": (
        [household],
        FOREVER,
        dict.fromkeys(
            [
                "num_baskets",
                "basket_value_mean",
                "basket_items_mean",
                "gap_days_mean",
                "gap_days_last",
                "baskets_28d",
                "coupon_items_share",
                "redemptions_past",
                "campaigns_past",
            ],
            Float64,
        ),
    ),
    "household_history": (
        [household],
        FOREVER,
        {
            "history_text": String,
            "category_ids": Array(Int64),
            "category_count": Array(Float32),
            "category_decayed": Array(Float32),
            "category_gap": Array(Float32),
        },
    ),
    "campaign": (
        [campaign],
        FOREVER,
        {"campaign_text": String, "campaign_type": String, "duration_days": Float64, "num_coupon_products": Float64},
    ),
    "household_campaign": (
        [household, campaign],
        FOREVER,
        {"coupon_product_buys": Float64, "coupon_category_share": Float64},
    ),
    "series_demand": (
        [category, store],
        ONE_WEEK,
        {
            "category_text": String,
            **dict.fromkeys(
                [
                    "units_lag1",
                    "units_lag2",
                    "units_lag3",
                    "units_mean4",
                    "units_mean13",
                    "units_std13",
                    "zero_weeks13",
                    "chain_lag1",
                    "chain_mean4",
                    "week_of_year_sin",
                    "week_of_year_cos",
                ],
                Float64,
            ),
        },
    ),
}
"""Entities, time to live and columns of each view."""


def make_views(sources: dict[str, FileSource]) -> dict[str, FeatureView]:
    """One view per source, readable offline and online."""
    return {name: _view(name, source) for name, source in sources.items()}


def _view(name: str, source: FileSource) -> FeatureView:
    entities, ttl, columns = COLUMNS[name]
    keys = [Field(name=entity.join_key, dtype=Int64) for entity in entities]
    fields = [Field(name=column, dtype=dtype) for column, dtype in columns.items()]
    return FeatureView(name=name, entities=entities, ttl=ttl, schema=keys + fields, source=source, online=True)
