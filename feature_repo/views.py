"""Feature views: which columns each table offers, of which type, and how long a value stays good.

A household's and a campaign's values hold until the next row, however long that takes: no time to live, for a
household that comes back after a year is still the household it was. A value of a weekly moment (a series' demand,
days since a visit or a purchase) holds for its week: after 7 days without a new row the feature is missing rather
than stale.
"""

from __future__ import annotations

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource, PushSource
from feast.types import Array, FeastType, Float32, Float64, Int64, String

from feature_repo.entities import campaign, category, household, store

FOREVER = timedelta(0)
"""Feast reads a zero as: no expiry."""
ONE_WEEK = timedelta(days=7)


PUSHED = {
    **dict.fromkeys(
        ["household_profile", "household_history", "household_products", "household_visit"], "household_events"
    ),
    "household_state": "household_state_events",
}
"""Views that a basket changes at once -> the push source that writes them; the others wait for their weekly moment, or
for a campaign. Views of one source are written by one row, so their columns have names of their own."""


def _history(prefix: str, number: FeastType = Float32) -> dict[str, FeastType]:
    """The aligned lists of what was bought, how often and how long ago."""
    return {
        f"{prefix}_ids": Array(Int64),
        **{f"{prefix}_{part}": Array(number) for part in ("count", "decayed", "gap")},
    }


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
            **_history("category"),
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
    "household_visit": (
        [household],
        FOREVER,
        {
            "visit_weekday": String,
            **dict.fromkeys(
                [
                    "visit_hour_sin",
                    "visit_hour_cos",
                    "visit_value",
                    "visit_units",
                    "visit_categories",
                    "visit_value_ratio",
                    "gap_days_before",
                    "gap_days_recent",
                    "quick_return_share",
                    "quick_return_share_recent",
                    "visits_7d",
                    "next_weekdays_share",
                ],
                Float64,
            ),
        },
    ),
    "household_activity": (
        [household],
        ONE_WEEK,
        dict.fromkeys(
            [
                "days_since_visit",
                "days_known",
                "visits_28d",
                "visits_84d",
                "spend_28d",
                "spend_84d",
                "visits_trend",
                "spend_trend",
                "active_weeks_12",
                "longest_gap_days",
                "usual_gap_days",
                "gap_days_std",
                "overdue_ratio",
            ],
            Float64,
        ),
    ),
    "household_category": (
        [household, category],
        ONE_WEEK,
        dict.fromkeys(
            [
                "days_since_bought",
                "bought_count",
                "bought_decayed",
                "bought_gap_days",
                "bought_gap_days_last",
                "bought_gap_ratio",
                "bought_28d",
                "bought_84d",
            ],
            Float64,
        ),
    ),
    "category_week": (
        [category],
        ONE_WEEK,
        {"category_text": String, "habits_past": Float64, "repurchase_rate": Float64},
    ),
    "household_products": ([household], FOREVER, _history("product")),
    "household_state": (
        [household],
        FOREVER,
        {
            **dict.fromkeys(["basket_times", "redemption_times", "campaign_times"], Array(Int64)),
            **dict.fromkeys(
                [
                    "value_cents",
                    "num_units",
                    "num_lines",
                    "num_coupon_lines",
                    "visit_cents",
                    "visit_units",
                    "visit_categories",
                ],
                Int64,
            ),
            "event_ids": Array(String),
            **_history("category", Float64),
            **_history("product", Float64),
        },
    ),
}
"""Entities, time to live and columns of each view."""


def make_views(sources: dict[str, FileSource]) -> dict[str, FeatureView]:
    """One view per source, readable offline and online; those of `PUSHED` can be written online by one row, too."""
    return {name: _view(name, source) for name, source in sources.items()}


def _view(name: str, source: FileSource) -> FeatureView:
    entities, ttl, columns = COLUMNS[name]
    keys = [Field(name=entity.join_key, dtype=Int64) for entity in entities]
    fields = [Field(name=column, dtype=dtype) for column, dtype in columns.items()]
    origin = PushSource(name=PUSHED[name], batch_source=source) if name in PUSHED else source
    return FeatureView(name=name, entities=entities, ttl=ttl, schema=keys + fields, source=origin, online=True)
