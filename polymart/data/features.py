"""Feature tables of households and campaigns: each row holds only what was known at its ``event_timestamp``.

Every feature table carries ``event_timestamp`` and ``created_timestamp`` (naive UTC). Features of a household
are written once per basket, at the basket's time; features of a campaign stand one second before it starts,
the moment at which its examples are decided.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from polymart.data.tables import query_table

RECENT_DAYS = 28
"""Length in days of the recent past; also the half-life of the decayed counts in `polymart.data.history`."""
MAX_CAMPAIGN_CATEGORIES = 8

PROFILE = f"""
WITH running AS (
    SELECT household_id, basket_id, event_timestamp,
           count(*) OVER past AS num_baskets,
           sum(value_cents) OVER past AS value_cents, sum(num_units) OVER past AS num_units,
           sum(num_lines) OVER past AS num_lines, sum(num_coupon_lines) OVER past AS num_coupon_lines,
           first(event_timestamp) OVER past AS first_timestamp,
           lag(event_timestamp) OVER ordered AS previous_timestamp,
           count(*) OVER (PARTITION BY household_id ORDER BY event_timestamp
                          RANGE BETWEEN INTERVAL {RECENT_DAYS} DAY PRECEDING AND CURRENT ROW) AS baskets_28d
    FROM baskets
    WINDOW ordered AS (PARTITION BY household_id ORDER BY event_timestamp, basket_id),
           past AS (ordered ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
), newest AS (  -- two baskets of one household in the same second are one moment: its last state counts
    SELECT * FROM running
    QUALIFY row_number() OVER (PARTITION BY household_id, event_timestamp ORDER BY basket_id DESC) = 1
), redeemed AS (
    SELECT DISTINCT household_id, known_timestamp, count(*) OVER (
               PARTITION BY household_id ORDER BY known_timestamp RANGE UNBOUNDED PRECEDING) AS redemptions_past
    FROM redemptions
), received AS (
    SELECT DISTINCT household_id, start_timestamp, count(*) OVER (
               PARTITION BY household_id ORDER BY start_timestamp RANGE UNBOUNDED PRECEDING) AS campaigns_past
    FROM targets JOIN campaigns USING (campaign_id)
)
SELECT n.household_id, n.event_timestamp, n.event_timestamp AS created_timestamp,
       n.num_baskets::DOUBLE AS num_baskets,
       n.value_cents::DOUBLE / n.num_baskets / 100 AS basket_value_mean,
       n.num_units::DOUBLE / n.num_baskets AS basket_items_mean,
       date_diff('second', n.first_timestamp, n.event_timestamp)::DOUBLE / 86400
           / nullif(n.num_baskets - 1, 0) AS gap_days_mean,
       date_diff('second', n.previous_timestamp, n.event_timestamp)::DOUBLE / 86400 AS gap_days_last,
       n.baskets_28d::DOUBLE AS baskets_28d,
       n.num_coupon_lines::DOUBLE / n.num_lines AS coupon_items_share,
       coalesce(r.redemptions_past, 0)::DOUBLE AS redemptions_past,
       coalesce(c.campaigns_past, 0)::DOUBLE AS campaigns_past
FROM newest n
ASOF LEFT JOIN redeemed r ON n.household_id = r.household_id AND n.event_timestamp >= r.known_timestamp
ASOF LEFT JOIN received c ON n.household_id = c.household_id AND n.event_timestamp >= c.start_timestamp
ORDER BY n.household_id, n.event_timestamp
"""  # noqa: S608 - constants of ours

CAMPAIGN_PRODUCTS = """
CREATE OR REPLACE TEMP TABLE campaign_products AS
SELECT DISTINCT campaign_id, product_id, category_id, name
FROM coupons LEFT JOIN products USING (product_id) LEFT JOIN categories USING (category)
"""

CAMPAIGN = f"""
WITH per_category AS (
    SELECT campaign_id, name, count(*) AS num_products FROM campaign_products WHERE name IS NOT NULL
    GROUP BY campaign_id, name
    QUALIFY row_number() OVER (PARTITION BY campaign_id ORDER BY num_products DESC, name) <= {MAX_CAMPAIGN_CATEGORIES}
), worded AS (
    SELECT campaign_id, string_agg(name, ', ' ORDER BY num_products DESC, name) AS names
    FROM per_category GROUP BY campaign_id
), sized AS (SELECT campaign_id, count(*) AS num_coupon_products FROM campaign_products GROUP BY campaign_id)
SELECT campaign_id, start_timestamp - INTERVAL 1 SECOND AS event_timestamp, event_timestamp AS created_timestamp,
       lower(campaign_type) || ' campaign, ' || (end_date - start_date + 1) || ' days'
           || coalesce(', coupons for ' || names, '') AS campaign_text,
       campaign_type, (end_date - start_date + 1)::DOUBLE AS duration_days,
       coalesce(num_coupon_products, 0)::DOUBLE AS num_coupon_products
FROM campaigns LEFT JOIN worded USING (campaign_id) LEFT JOIN sized USING (campaign_id)
ORDER BY campaign_id
"""  # noqa: S608

HOUSEHOLD_CAMPAIGN = """
WITH counted AS (  -- a household's purchase lines before the campaign's start, per product
    SELECT t.household_id, t.campaign_id, l.product_id, l.category_id, count(l.product_id) AS num_lines
    FROM targets t JOIN campaigns c USING (campaign_id)
    LEFT JOIN transactions l ON l.household_id = t.household_id AND l.event_timestamp < c.start_timestamp
    GROUP BY ALL
), campaign_categories AS (SELECT DISTINCT campaign_id, category_id FROM campaign_products)
SELECT n.household_id, n.campaign_id,
       any_value(c.start_timestamp) - INTERVAL 1 SECOND AS event_timestamp, event_timestamp AS created_timestamp,
       coalesce(sum(n.num_lines) FILTER (WHERE p.product_id IS NOT NULL), 0)::DOUBLE AS coupon_product_buys,
       coalesce(sum(n.num_lines) FILTER (WHERE k.category_id IS NOT NULL), 0)::DOUBLE
           / nullif(sum(n.num_lines), 0)::DOUBLE AS coupon_category_share
FROM counted n JOIN campaigns c USING (campaign_id)
LEFT JOIN campaign_products p ON p.campaign_id = n.campaign_id AND p.product_id = n.product_id
LEFT JOIN campaign_categories k ON k.campaign_id = n.campaign_id AND k.category_id = n.category_id
GROUP BY n.household_id, n.campaign_id
ORDER BY n.campaign_id, n.household_id
"""


def household_profile(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per household after each basket.

    Columns: num_baskets, basket_value_mean (dollars), basket_items_mean (units), gap_days_mean and gap_days_last
    (days between baskets, null at the first), baskets_28d (baskets of the last 28 days, this one included),
    coupon_items_share (share of lines with a coupon), redemptions_past (coupons redeemed on earlier days),
    campaigns_past (campaigns received that have started).
    """
    return query_table(con, PROFILE)


def campaign(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per campaign: campaign_text, campaign_type, duration_days (both ends counted), num_coupon_products."""
    con.execute(CAMPAIGN_PRODUCTS)
    return query_table(con, CAMPAIGN)


def household_campaign(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per household and campaign it received, from its purchase lines before the campaign starts.

    Columns: coupon_product_buys (lines of products in the campaign's coupons), coupon_category_share (share of
    lines in a category of those products; null for a household without purchases).
    """
    con.execute(CAMPAIGN_PRODUCTS)
    return query_table(con, HOUSEHOLD_CAMPAIGN)
