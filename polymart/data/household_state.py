"""What a household's features are made of, at its newest basket: enough to carry them on by one more basket.

The service folds each basket that it hears of into this state and writes the features that follow from it
(`serving.events`): the same values as these tables would hold had the basket been in the log.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from polymart.data import assortment, history
from polymart.data.history import Lists, Running, list_columns, purchases, running_counts
from polymart.data.tables import query_table

CARRIED = ("household_profile", "household_history", "household_products", "household_visit")
"""Feature tables that follow from the state: those with a row per basket."""
MAX_EVENTS = 32
"""Newest baskets that are remembered by name, so that one that is told twice counts once."""

SUMS = f"""
WITH dated AS (
    SELECT * EXCLUDE (event_timestamp), event_timestamp AS paid,
           max(event_timestamp) OVER (PARTITION BY household_id) AS newest
    FROM baskets
), redeemed AS (
    SELECT household_id, list(epoch(known_timestamp)::BIGINT ORDER BY known_timestamp) AS redemption_times
    FROM redemptions GROUP BY household_id
), received AS (
    SELECT household_id, list(epoch(start_timestamp)::BIGINT ORDER BY start_timestamp) AS campaign_times
    FROM targets JOIN campaigns USING (campaign_id) GROUP BY household_id
)
SELECT household_id, any_value(newest) AS event_timestamp, any_value(newest) AS created_timestamp,
       list(epoch(paid)::BIGINT ORDER BY paid) AS basket_times,
       sum(value_cents)::BIGINT AS value_cents, sum(num_units)::BIGINT AS num_units,
       sum(num_lines)::BIGINT AS num_lines, sum(num_coupon_lines)::BIGINT AS num_coupon_lines,
       sum(value_cents) FILTER (paid = newest)::BIGINT AS visit_cents,
       sum(num_units) FILTER (paid = newest)::BIGINT AS visit_units,
       sum(len(category_ids)) FILTER (paid = newest)::BIGINT AS visit_categories,
       coalesce(any_value(redemption_times), []) AS redemption_times,
       coalesce(any_value(campaign_times), []) AS campaign_times,
       list(basket_id::VARCHAR ORDER BY paid, basket_id)[-{MAX_EVENTS}:] AS event_ids
FROM dated LEFT JOIN redeemed USING (household_id) LEFT JOIN received USING (household_id)
GROUP BY household_id ORDER BY household_id
"""  # noqa: S608 - a constant of ours


def household_state(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per household at its newest basket. Times are seconds since 1970, UTC.

    Columns: basket_times (of all its baskets, in order), value_cents, num_units, num_lines, num_coupon_lines (sums
    over them), visit_cents, visit_units, visit_categories (sums over the baskets of its newest second),
    redemption_times (when each became known), campaign_times (starts of the campaigns sent to it, also later ones),
    event_ids (basket_id of its newest baskets), and the lists of `polymart.data.history` in double precision:
    category_ids, category_count, category_decayed, category_gap and product_ids, product_count, product_decayed,
    product_gap, of products all that it ever bought.
    """
    con.execute(assortment.POSITIONS)
    table = query_table(con, SUMS)
    for prefix, bought in (("category", history.BOUGHT), ("product", assortment.BOUGHT)):
        columns = list_columns(prefix, *purchases(con, bought, _newest), pa.float64())
        assert columns["household_id"].equals(table["household_id"]), "both are ordered by household"
        for name in columns.column_names[3:]:
            table = table.append_column(name, columns[name])
    return table


def _newest(times: np.ndarray, baskets: np.ndarray, ids: np.ndarray) -> Lists:
    """The lists after the newest basket alone."""
    state = running_counts(times, baskets, ids)
    return Running(state.times_R[-1:], state.ids_C, *(part_RC[-1:] for part_RC in state[2:])).lists()
