"""Feature tables: each row holds what was known of its entity at its time."""

from __future__ import annotations

from polymart.schemas.columns import count, feature_table, history, names, number, text, times

CATEGORY_LISTS, CATEGORIES_ALIGNED = history("category")
PRODUCT_LISTS, PRODUCTS_ALIGNED = history("product")

FEATURES = [
    feature_table(
        "features/household_profile",
        ["household_id"],
        {
            "num_baskets": number(1),
            "basket_value_mean": number(),
            "basket_items_mean": number(1),
            "gap_days_mean": number(nullable=True),
            "gap_days_last": number(nullable=True),
            "baskets_28d": number(1),
            "coupon_items_share": number(0, 1),
            "redemptions_past": number(),
            "campaigns_past": number(),
        },
    ),
    feature_table(
        "features/household_history",
        ["household_id"],
        {"history_text": text(), **CATEGORY_LISTS},
        CATEGORIES_ALIGNED,
    ),
    feature_table("features/household_products", ["household_id"], PRODUCT_LISTS, PRODUCTS_ALIGNED),
    feature_table(
        "features/household_state",
        ["household_id"],
        {
            **{name: times() for name in ("basket_times", "redemption_times", "campaign_times")},
            **{name: count(1) for name in ("num_units", "num_lines", "visit_units", "visit_categories")},
            **{name: count() for name in ("value_cents", "num_coupon_lines", "visit_cents")},
            "event_ids": names(),
            **CATEGORY_LISTS,
            **PRODUCT_LISTS,
        },
        CATEGORIES_ALIGNED,
        PRODUCTS_ALIGNED,
    ),
    feature_table(
        "features/household_visit",
        ["household_id"],
        {
            "visit_weekday": text(),
            "visit_hour_sin": number(-1, 1),
            "visit_hour_cos": number(-1, 1),
            "visit_value": number(),
            "visit_units": number(1),
            "visit_categories": number(1),
            "visit_value_ratio": number(nullable=True),
            "gap_days_before": number(nullable=True),
            "gap_days_recent": number(nullable=True),
            "quick_return_share": number(0, 1, nullable=True),
            "quick_return_share_recent": number(0, 1, nullable=True),
            "visits_7d": number(1),
            "next_weekdays_share": number(0, 1),
        },
    ),
    feature_table(
        "features/household_activity",
        ["household_id"],
        {
            **{name: number() for name in ("days_since_visit", "days_known", "visits_28d", "visits_84d")},
            **{name: number() for name in ("spend_28d", "spend_84d", "gap_days_std")},
            **{name: number(0, 3, nullable=True) for name in ("visits_trend", "spend_trend")},
            "active_weeks_12": number(0, 12),
            **{name: number(nullable=True) for name in ("longest_gap_days", "usual_gap_days", "overdue_ratio")},
        },
    ),
    feature_table(
        "features/household_category",
        ["household_id", "category_id"],
        {
            "days_since_bought": number(0, 28),
            "bought_count": number(4),
            **{name: number() for name in ("bought_decayed", "bought_gap_days", "bought_gap_days_last")},
            "bought_gap_ratio": number(),
            "bought_28d": number(1),
            "bought_84d": number(1),
        },
    ),
    feature_table(
        "features/category_week",
        ["category_id"],
        {"category_text": text(), "habits_past": number(), "repurchase_rate": number(0, 1, nullable=True)},
    ),
    feature_table(
        "features/campaign",
        ["campaign_id"],
        {
            "campaign_text": text(),
            "campaign_type": text(),
            "duration_days": number(1),
            "num_coupon_products": number(),
        },
    ),
    feature_table(
        "features/household_campaign",
        ["household_id", "campaign_id"],
        {"coupon_product_buys": number(), "coupon_category_share": number(0, 1, nullable=True)},
    ),
    feature_table(
        "features/series_demand",
        ["category_id", "store_id"],
        {
            "category_text": text(),
            **{
                name: number()
                for name in ("units_lag1", "units_lag2", "units_lag3", "units_mean4", "units_mean13", "units_std13")
            },
            "zero_weeks13": number(0, 13),
            "chain_lag1": number(),
            "chain_mean4": number(),
            "week_of_year_sin": number(-1, 1),
            "week_of_year_cos": number(-1, 1),
        },
    ),
]
