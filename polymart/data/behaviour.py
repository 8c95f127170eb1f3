"""When does a household come back: what its visits tell, at each visit and at each decision moment.

A visit is one second in which a household pays; two baskets of one second are one visit. A decision moment is one
second before a Monday or a first of the month begins on the shop's clock, within the log or right at its end.
Sums are taken over whole seconds and cents: floating sums depend on the order in which threads add them.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from polymart.data.tables import Rules, count_rows, query_table

RETURN_DAYS = 3
"""A household that visits again within these days has returned (next_action)."""
CHURN_DAYS = 30
"""A household without a visit in these days has churned."""
ACTIVE_DAYS = 90
"""Only households that visited in these days before the moment can churn."""
MIN_LOG_DAYS = 28
"""Days of log before the first monthly decision: what is active is not known earlier."""

VISITS = """
CREATE TEMP TABLE IF NOT EXISTS visits AS
WITH moments AS (
    SELECT household_id, event_timestamp, sum(value_cents) AS cents, sum(num_units) AS units,
           sum(len(category_ids)) AS num_categories
    FROM baskets GROUP BY household_id, event_timestamp
)
SELECT *, local_time(event_timestamp) AS local_timestamp,
       date_diff('second', lag(event_timestamp) OVER past, event_timestamp) AS gap_s
FROM moments WINDOW past AS (PARTITION BY household_id ORDER BY event_timestamp)
"""

MOMENTS = f"""
CREATE TEMP TABLE IF NOT EXISTS moments AS
WITH log AS (SELECT min(local_date) AS first_day, max(local_date) + 1 AS last_day FROM transactions),
     days AS (SELECT unnest(generate_series(first_day + 1, last_day, INTERVAL 1 DAY))::DATE AS day, log.* FROM log)
SELECT day, utc_midnight(day) - INTERVAL 1 SECOND AS moment, dayofweek(day) = 1 AS weekly,
       day(day) = 1 AS monthly, day >= first_day + {MIN_LOG_DAYS} AS settled,
       utc_midnight(last_day) - INTERVAL 1 SECOND AS last_moment
FROM days WHERE weekly OR monthly
"""  # noqa: S608 - a constant of ours

WEEKDAYS = ", ".join(f"count(*) FILTER (weekday = {day}) OVER past" for day in range(7))

HOUSEHOLD_VISIT = f"""
WITH running AS (
    SELECT *, (gap_s <= {RETURN_DAYS} * 86400)::INT AS quick, dayofweek(local_timestamp) AS weekday,
           (hour(local_timestamp) * 60 + minute(local_timestamp)) * pi() / 720 AS angle
    FROM visits
), gaps AS (
    SELECT *, row_number() OVER past AS num_visits, [{WEEKDAYS}] AS by_weekday,
           sum(cents) OVER past AS cents_past, lag(gap_s) OVER past AS gap_before_s,
           sum(gap_s) OVER newest5 AS gaps5_s, count(gap_s) OVER newest5 AS num_gaps5,
           avg(quick) OVER past AS quick_share, avg(quick) OVER newest5 AS quick_share5,
           count(*) OVER week AS visits_7d
    FROM running
    WINDOW past AS (PARTITION BY household_id ORDER BY event_timestamp),
           newest5 AS (past ROWS BETWEEN 4 PRECEDING AND CURRENT ROW),
           week AS (past RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW)
)
SELECT household_id, event_timestamp, event_timestamp AS created_timestamp,
       lower(dayname(local_timestamp)) AS visit_weekday, sin(angle) AS visit_hour_sin, cos(angle) AS visit_hour_cos,
       cents / 100.0 AS visit_value, units::DOUBLE AS visit_units, num_categories::DOUBLE AS visit_categories,
       cents * num_visits / nullif(cents_past, 0)::DOUBLE AS visit_value_ratio,
       gap_before_s / 86400.0 AS gap_days_before, gaps5_s / nullif(num_gaps5, 0) / 86400.0 AS gap_days_recent,
       quick_share AS quick_return_share, quick_share5 AS quick_return_share_recent,
       visits_7d::DOUBLE AS visits_7d,
       (by_weekday[(weekday + 1) % 7 + 1] + by_weekday[(weekday + 2) % 7 + 1] + by_weekday[(weekday + 3) % 7 + 1])
           / num_visits AS next_weekdays_share
FROM gaps ORDER BY household_id, event_timestamp
"""  # noqa: S608 - constants of ours

# The trends compare the last 28 days with the 84 days that hold them: 1 is steady, 0 is gone, 3 is new.
HOUSEHOLD_ACTIVITY = """
WITH ages AS (
    SELECT household_id, moment, cents, gap_s, date_diff('second', event_timestamp, moment) AS age_s
    FROM visits JOIN moments ON event_timestamp <= moment
), counted AS (
    SELECT household_id, moment, min(age_s) AS newest_s, max(age_s) AS known_s, count(*) AS num_visits,
           count(*) FILTER (age_s < 28 * 86400) AS visits_28d, count(*) FILTER (age_s < 84 * 86400) AS visits_84d,
           coalesce(sum(cents) FILTER (age_s < 28 * 86400), 0) AS cents_28d,
           coalesce(sum(cents) FILTER (age_s < 84 * 86400), 0) AS cents_84d,
           count(DISTINCT age_s // (7 * 86400)) FILTER (age_s < 84 * 86400) AS active_weeks,
           sum(gap_s) AS gaps_s, sum(gap_s::HUGEINT * gap_s) AS square_s, count(gap_s) AS num_gaps,
           max(gap_s) AS longest_s
    FROM ages GROUP BY household_id, moment
)
SELECT household_id, moment AS event_timestamp, moment AS created_timestamp,
       newest_s / 86400.0 AS days_since_visit, known_s / 86400.0 AS days_known,
       visits_28d::DOUBLE AS visits_28d, visits_84d::DOUBLE AS visits_84d,
       cents_28d / 100.0 AS spend_28d, cents_84d / 100.0 AS spend_84d,
       3.0 * visits_28d / nullif(visits_84d, 0) AS visits_trend, 3.0 * cents_28d / nullif(cents_84d, 0) AS spend_trend,
       active_weeks::DOUBLE AS active_weeks_12, longest_s / 86400.0 AS longest_gap_days,
       gaps_s / num_gaps / 86400.0 AS usual_gap_days,
       sqrt(greatest(square_s / num_gaps - (gaps_s / num_gaps) ** 2, 0)) / 86400.0 AS gap_days_std,
       newest_s / greatest(gaps_s / num_gaps, 86400) AS overdue_ratio
FROM counted ORDER BY household_id, moment
"""

NEXT_ACTION = f"""
WITH ends AS (SELECT any_value(last_moment) AS last_moment FROM moments),
     next AS (SELECT household_id, event_timestamp, event_timestamp + INTERVAL {RETURN_DAYS} DAY AS label_end,
                     lead(event_timestamp) OVER (PARTITION BY household_id ORDER BY event_timestamp) AS following
              FROM visits)
SELECT household_id, household_id || '-' || strftime(event_timestamp, '%Y%m%d%H%M%S') AS example_id,
       event_timestamp, label_end, coalesce(following <= label_end, false)::BIGINT AS label
FROM next, ends WHERE label_end <= last_moment
ORDER BY household_id, event_timestamp
"""  # noqa: S608

CHURN = f"""
WITH newest AS (
    SELECT household_id, moment, day, max(event_timestamp) AS newest
    FROM visits JOIN moments ON event_timestamp <= moment
    WHERE monthly AND settled AND utc_midnight(day + {CHURN_DAYS}) - INTERVAL 1 SECOND <= last_moment
    GROUP BY ALL HAVING newest > moment - INTERVAL {ACTIVE_DAYS} DAY
)
SELECT n.household_id, n.household_id || '-' || strftime(n.day, '%Y%m%d') AS example_id,
       n.moment AS event_timestamp, utc_midnight(n.day + {CHURN_DAYS}) - INTERVAL 1 SECOND AS label_end,
       (f.event_timestamp IS NULL OR f.event_timestamp > label_end)::BIGINT AS label
FROM newest n ASOF LEFT JOIN visits f ON n.household_id = f.household_id AND n.moment < f.event_timestamp
ORDER BY n.household_id, n.moment
"""  # noqa: S608


def load_visits(con: duckdb.DuckDBPyConnection) -> None:
    """Create the visits and the decision moments inside ``con``, once."""
    con.execute(VISITS)
    con.execute(MOMENTS)


def household_visit(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per household at each visit: this visit, and how quickly the household used to come back.

    Columns: visit_weekday, visit_hour_sin, visit_hour_cos (shop's clock), visit_value (dollars), visit_units,
    visit_categories, visit_value_ratio (to the household's mean), gap_days_before (the gap before the newest),
    gap_days_recent and quick_return_share_recent (over the newest five gaps), quick_return_share (share of all gaps
    of at most three days), visits_7d (this one included), next_weekdays_share (share of the household's visits
    that fell on one of the next three weekdays).
    """
    load_visits(con)
    return query_table(con, HOUSEHOLD_VISIT)


def household_activity(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per known household at each decision moment: is it still active, and as active as before?

    Columns: days_since_visit, days_known (since its first visit), visits_28d, visits_84d, spend_28d, spend_84d
    (dollars), visits_trend, spend_trend (28 days against 84, null without a visit in 84), active_weeks_12 (of the
    last twelve weeks), usual_gap_days and longest_gap_days (null before a second visit), gap_days_std, overdue_ratio
    (days since the visit to the usual gap, or to one day where that is longer).
    """
    load_visits(con)
    return query_table(con, HOUSEHOLD_ACTIVITY)


def next_action_labels(con: duckdb.DuckDBPyConnection, rules: Rules) -> pa.Table:
    """1 if the household visits again within three days after a visit, else 0."""
    load_visits(con)
    table = query_table(con, NEXT_ACTION)
    rule = f"the {RETURN_DAYS} days after the visit lie inside the log"
    rules.add("labels/next_action", rule, count_rows(con, "visits"), table.num_rows)
    return table


def churn_labels(con: duckdb.DuckDBPyConnection, rules: Rules) -> pa.Table:
    """1 if a household that was active on the first of a month does not visit in the 30 days from then on."""
    load_visits(con)
    table = query_table(con, CHURN)
    known = count_rows(
        con,
        "(SELECT DISTINCT household_id, moment FROM visits JOIN moments ON event_timestamp <= moment WHERE monthly)",
    )
    rule = (
        f"the household visited in the {ACTIVE_DAYS} days before the first of the month, {MIN_LOG_DAYS} days of log "
        f"lie before it and {CHURN_DAYS} days after it"
    )
    rules.add("labels/churn", rule, known, table.num_rows)
    return table
