"""Weekly units per category and store, as this panel of households bought them (not the stores' totals).

Weeks run from Monday to Sunday in New York. A week at either end of the log that lacks sales on one of its days
is not whole and is left out (here the first, one Sunday, and the last, which holds the closed 25 December).
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from polymart.data.tables import Rules, count_rows, query_table

MIN_ACTIVE_WEEKS = 40
"""Weeks with at least one unit that make a (category, store) pair a series."""
MIN_PAST_WEEKS = 4
"""Whole weeks before a row; features over 13 weeks use what there is."""

WEEKS = """
CREATE OR REPLACE TEMP TABLE weeks AS
WITH days AS (SELECT week_start, count(DISTINCT local_date) AS num_days FROM transactions GROUP BY week_start),
     ends AS (SELECT min(week_start) AS first_week, max(week_start) AS last_week FROM days),
     calendar AS (SELECT unnest(generate_series(first_week, last_week, INTERVAL 7 DAY))::DATE AS week_start FROM ends)
SELECT week_start, row_number() OVER (ORDER BY week_start) AS week
FROM calendar CROSS JOIN ends LEFT JOIN days USING (week_start)
WHERE num_days = 7 OR week_start NOT IN (first_week, last_week)
"""

SERIES = f"""
CREATE OR REPLACE TEMP TABLE series AS
SELECT category_id, store_id FROM transactions WHERE week_start IN (SELECT week_start FROM weeks)
GROUP BY ALL HAVING count(DISTINCT week_start) >= {MIN_ACTIVE_WEEKS} ORDER BY ALL
"""  # noqa: S608 - a constant of ours

# The grid holds one week more than the log: its features (the newest) are what the shop forecasts next week from.
GRID = """
CREATE OR REPLACE TEMP TABLE demand_grid AS
WITH units AS (SELECT category_id, store_id, week_start, sum(quantity) AS units FROM transactions GROUP BY ALL),
     chain AS (SELECT category_id, week_start, sum(units) AS chain_units FROM units GROUP BY ALL),
     steps AS (SELECT week_start, week, false AS ahead FROM weeks
               UNION ALL SELECT max(week_start) + 7, max(week) + 1, true FROM weeks)
SELECT s.category_id, s.store_id, w.week_start, w.week, w.ahead,
       CASE WHEN NOT w.ahead THEN coalesce(u.units, 0)::BIGINT END AS units,
       CASE WHEN NOT w.ahead THEN coalesce(c.chain_units, 0)::BIGINT END AS chain_units
FROM series s CROSS JOIN steps w
LEFT JOIN units u ON u.category_id = s.category_id AND u.store_id = s.store_id AND u.week_start = w.week_start
LEFT JOIN chain c ON c.category_id = s.category_id AND c.week_start = w.week_start
"""

FEATURES = f"""
WITH lagged AS (
    SELECT *, lag(units, 1) OVER byweek AS lag1, lag(units, 2) OVER byweek AS lag2, lag(units, 3) OVER byweek AS lag3,
           avg(units) OVER past4 AS mean4, avg(units) OVER past13 AS mean13,
           sum(units * units) OVER past13 / count(units) OVER past13 AS square13,
           count(*) FILTER (WHERE units = 0) OVER past13 AS zeros13,
           lag(chain_units) OVER byweek AS chain1, avg(chain_units) OVER past4 AS chain4
    FROM demand_grid
    WINDOW byweek AS (PARTITION BY category_id, store_id ORDER BY week),
           past4 AS (byweek ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING),
           past13 AS (byweek ROWS BETWEEN 13 PRECEDING AND 1 PRECEDING)
)
SELECT category_id, store_id, utc_midnight(week_start) AS event_timestamp, event_timestamp AS created_timestamp,
       category_text, lag1::DOUBLE AS units_lag1, lag2::DOUBLE AS units_lag2, lag3::DOUBLE AS units_lag3,
       mean4 AS units_mean4, mean13 AS units_mean13,
       sqrt(greatest(square13 - mean13 * mean13, 0)) AS units_std13, zeros13::DOUBLE AS zero_weeks13,
       chain1::DOUBLE AS chain_lag1, chain4 AS chain_mean4,
       sin(2 * pi() * dayofyear(week_start) / 365.25) AS week_of_year_sin,
       cos(2 * pi() * dayofyear(week_start) / 365.25) AS week_of_year_cos
FROM lagged JOIN categories USING (category_id)
WHERE week > (SELECT min(week) FROM weeks) + {MIN_PAST_WEEKS} - 1
ORDER BY category_id, store_id, event_timestamp
"""  # noqa: S608

LABELS = f"""
SELECT category_id, store_id, category_id || '@' || store_id AS series_id,
       series_id || '-' || strftime(week_start, '%Y%m%d') AS example_id,
       utc_midnight(week_start) AS event_timestamp,
       utc_midnight(week_start + 7) - INTERVAL 1 SECOND AS label_end, units::DOUBLE AS label
FROM demand_grid WHERE NOT ahead AND week > (SELECT min(week) FROM weeks) + {MIN_PAST_WEEKS} - 1
ORDER BY category_id, store_id, event_timestamp
"""  # noqa: S608


def load_demand(con: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Create the weekly grid inside ``con``: active series x whole weeks, weeks without sales as zeros."""
    con.execute(WEEKS)
    con.execute(SERIES)
    con.execute(GRID)
    all_weeks = count_rows(con, "(SELECT DISTINCT week_start FROM transactions)")
    rules.add(
        "demand weeks",
        "a week at either end of the log has sales on all seven days",
        all_weeks,
        count_rows(con, "weeks"),
    )
    pairs = count_rows(con, "(SELECT DISTINCT category_id, store_id FROM transactions)")
    rules.add(
        "demand series",
        f"a category x store pair sells in at least {MIN_ACTIVE_WEEKS} weeks",
        pairs,
        count_rows(con, "series"),
    )


def series_demand(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per series at the start of each week, from whole weeks before it (needs `load_demand`).

    Columns: category_text, units_lag1..3, units_mean4, units_mean13, units_std13 (population, over at most 13
    weeks), zero_weeks13, chain_lag1 and chain_mean4 (the category in all stores), week_of_year_sin, week_of_year_cos.
    """
    return query_table(con, FEATURES)


def demand_labels(con: duckdb.DuckDBPyConnection, rules: Rules) -> pa.Table:
    """Units of each series in each whole week that has at least four weeks before it (needs `load_demand`)."""
    return query_table(con, LABELS)
