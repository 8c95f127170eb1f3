"""Label rows of the shop's decisions; an example is decided one second before its label window opens.

``event_timestamp`` is the moment of the decision: features may be as new as this moment, not newer.
``label_end`` is the last second of the label window.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from polymart.data.tables import Rules, count_rows, query_table

NEXT_CATEGORY = """
SELECT household_id, household_id || '-' || basket_id AS example_id,
       event_timestamp - INTERVAL 1 SECOND AS event_timestamp, event_timestamp AS label_end, category_ids AS label
FROM (SELECT *, min(event_timestamp) OVER (PARTITION BY household_id) AS first_timestamp FROM baskets) b
WHERE b.event_timestamp > first_timestamp  -- a household's first basket has no history to predict from
ORDER BY household_id, label_end, basket_id
"""

# Campaigns whose window is not wholly inside the log would be labelled from half a window.
WHOLE_CAMPAIGNS = """
CREATE OR REPLACE TEMP TABLE whole_campaigns AS
SELECT c.* FROM campaigns c, (SELECT min(local_date) AS first_day, max(local_date) AS last_day FROM transactions)
WHERE start_date >= first_day AND end_date <= last_day
"""

COUPON_RESPONSE = """
WITH redeemed AS (
    SELECT DISTINCT r.household_id, r.campaign_id FROM redemptions r JOIN whole_campaigns c USING (campaign_id)
    WHERE r.redemption_date BETWEEN c.start_date AND c.end_date
)
SELECT t.household_id, t.campaign_id, t.household_id || '-' || t.campaign_id AS example_id,
       c.start_timestamp - INTERVAL 1 SECOND AS event_timestamp, c.end_timestamp AS label_end,
       (r.household_id IS NOT NULL)::BIGINT AS label
FROM targets t JOIN whole_campaigns c USING (campaign_id) LEFT JOIN redeemed r USING (household_id, campaign_id)
ORDER BY t.campaign_id, t.household_id
"""


def next_category_labels(con: duckdb.DuckDBPyConnection, rules: Rules) -> pa.Table:
    """Category ids (int64, ascending, distinct) of every basket that is not its household's first."""
    table = query_table(con, NEXT_CATEGORY)
    rules.add(
        "labels/next_category", "the basket is not its household's first", count_rows(con, "baskets"), table.num_rows
    )
    return table


def coupon_response_labels(con: duckdb.DuckDBPyConnection, rules: Rules) -> pa.Table:
    """1 if the household redeemed any coupon of the campaign between its first and last day, else 0."""
    con.execute(WHOLE_CAMPAIGNS)
    table = query_table(con, COUPON_RESPONSE)
    rules.add(
        "labels/coupon_response",
        "the campaign starts and ends inside the log",
        count_rows(con, "targets"),
        table.num_rows,
    )
    return table
