"""Will a household buy a category again this week? Households x categories at weekly decision moments.

A row is a habit: the household has bought the category in at least `MIN_BASKETS` baskets, the last of them within
`RECENT_DAYS` days before the moment. So the table keeps what may be due now and a size that one machine can bear.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from polymart.data.behaviour import load_visits
from polymart.data.features import RECENT_DAYS
from polymart.data.tables import Rules, count_rows, query_table

MIN_BASKETS = 4
"""Visits with the category that make a habit: three gaps tell a rhythm."""
WINDOW_DAYS = 7
RATE_WEEKS = 4
"""Finished weeks before a moment from which a category's repurchase rate is taken."""

BOUGHT = """
CREATE OR REPLACE TEMP TABLE bought AS
SELECT household_id, category_id, event_timestamp,
       date_diff('second', lag(event_timestamp) OVER past, event_timestamp) AS gap_s
FROM (SELECT DISTINCT household_id, unnest(category_ids) AS category_id, event_timestamp FROM baskets)
WINDOW past AS (PARTITION BY household_id, category_id ORDER BY event_timestamp)
"""

# Decayed counts are summed as whole millionths, so that the order of threads does not show.
HABITS = f"""
CREATE OR REPLACE TEMP TABLE habits AS
WITH ages AS (
    SELECT household_id, category_id, moment, day, last_moment, gap_s,
           date_diff('second', event_timestamp, moment) AS age_s
    FROM bought JOIN moments ON event_timestamp <= moment WHERE weekly
), counted AS (
    SELECT household_id, category_id, moment, day, any_value(last_moment) AS last_moment,
           count(*) AS num_baskets, min(age_s) AS newest_s, sum(gap_s) AS gaps_s, arg_min(gap_s, age_s) AS last_gap_s,
           count(*) FILTER (age_s < 28 * 86400) AS bought_28d, count(*) FILTER (age_s < 84 * 86400) AS bought_84d,
           sum(round(1e6 * 0.5 ** (age_s / {RECENT_DAYS * 86400.0}))::BIGINT) AS millionths
    FROM ages GROUP BY household_id, category_id, moment, day
    HAVING num_baskets >= {MIN_BASKETS} AND newest_s < {RECENT_DAYS} * 86400
)
SELECT c.*, utc_midnight(day + {WINDOW_DAYS}) - INTERVAL 1 SECOND AS label_end,
       CASE WHEN label_end <= last_moment THEN coalesce(f.event_timestamp <= label_end, false)::BIGINT END AS label
FROM counted c ASOF LEFT JOIN bought f
  ON c.household_id = f.household_id AND c.category_id = f.category_id AND c.moment < f.event_timestamp
"""  # noqa: S608 - constants of ours

HOUSEHOLD_CATEGORY = """
SELECT household_id, category_id, moment AS event_timestamp, moment AS created_timestamp,
       newest_s / 86400.0 AS days_since_bought, num_baskets::DOUBLE AS bought_count,
       millionths / 1e6 AS bought_decayed, gaps_s / (num_baskets - 1) / 86400.0 AS bought_gap_days,
       last_gap_s / 86400.0 AS bought_gap_days_last,
       newest_s / greatest(gaps_s / (num_baskets - 1), 86400) AS bought_gap_ratio,
       bought_28d::DOUBLE AS bought_28d, bought_84d::DOUBLE AS bought_84d
FROM habits ORDER BY household_id, category_id, moment
"""

# Only weeks that are over at the moment count: their labels are known by then.
CATEGORY_WEEK = f"""
WITH weeks AS (SELECT category_id, day, count(*) AS num_habits, sum(label) AS num_again
               FROM habits WHERE label IS NOT NULL GROUP BY category_id, day),
     past AS (SELECT m.day, w.category_id, sum(num_habits) AS num_habits, sum(num_again) AS num_again
              FROM moments m JOIN weeks w ON w.day BETWEEN m.day - 7 * {RATE_WEEKS} AND m.day - 7
              WHERE m.weekly GROUP BY ALL)
SELECT category_id, moment AS event_timestamp, moment AS created_timestamp, category_text,
       coalesce(num_habits, 0)::DOUBLE AS habits_past, num_again / num_habits AS repurchase_rate
FROM moments CROSS JOIN categories LEFT JOIN past USING (day, category_id)
WHERE weekly ORDER BY category_id, moment
"""  # noqa: S608

LABELS = """
SELECT household_id, category_id, household_id || '-' || category_id || '-' || strftime(day, '%Y%m%d') AS example_id,
       moment AS event_timestamp, label_end, label
FROM habits WHERE label IS NOT NULL ORDER BY household_id, category_id, moment
"""


def load_habits(con: duckdb.DuckDBPyConnection) -> None:
    """Create what households bought when and their habits at each weekly moment inside ``con``."""
    load_visits(con)
    con.execute(BOUGHT)
    con.execute(HABITS)


def household_category(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per habit at each weekly decision moment, right before a Monday begins (needs `load_habits`).

    Columns: days_since_bought, bought_count, bought_decayed (half-life 28 days), bought_gap_days (mean gap),
    bought_gap_days_last, bought_gap_ratio (days since to the mean gap, or to one day where that is longer),
    bought_28d, bought_84d (visits with the category in the last days).
    """
    return query_table(con, HOUSEHOLD_CATEGORY)


def category_week(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per category at each weekly decision moment (needs `load_habits`).

    Columns: category_text, habits_past (habits of all households at the four weekly moments whose week is over),
    repurchase_rate (share of them that bought again within their week, null without any).
    """
    return query_table(con, CATEGORY_WEEK)


def repurchase_labels(con: duckdb.DuckDBPyConnection, rules: Rules) -> pa.Table:
    """1 if the household buys the category of a habit again in the 7 days after the moment (needs `load_habits`)."""
    table = query_table(con, LABELS)
    rule = f"the {WINDOW_DAYS} days after the moment lie inside the log"
    rules.add("labels/repurchase_7d", rule, count_rows(con, "habits"), table.num_rows)
    return table
