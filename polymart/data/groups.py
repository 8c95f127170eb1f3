"""To which group of customers, goods or stores a label row belongs: columns for the slices of an evaluation.

They stand in the label tables of the shop and not in the feature store: no model reads them unless its suite says
so, and a group without demographics is a group like any other.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from polymart.data.tables import Rules, count_rows

UNKNOWN = "unknown"
STORE_WEEKS = 13
"""Whole weeks before the row's week over which the baskets of its store are counted."""

DEMOGRAPHICS = """
CREATE TABLE demographics AS
SELECT CAST(household_id AS BIGINT) household_id, CAST(age AS VARCHAR) age_band,
       CASE WHEN income IN ('Under 15K', '15-24K', '25-34K', '35-49K') THEN 'under 50K'
            WHEN income IN ('50-74K', '75-99K') THEN '50 to 100K'
            WHEN income IS NOT NULL THEN '100K and more' END income_band
FROM read_parquet($path)
"""
NO_DEMOGRAPHICS = "CREATE TABLE demographics (household_id BIGINT, age_band VARCHAR, income_band VARCHAR)"

STORE_SIZE = f"""
CREATE OR REPLACE TEMP TABLE store_size AS
WITH moments AS (SELECT DISTINCT store_id, event_timestamp FROM label_rows),
     visits AS (SELECT store_id, utc_midnight(date_trunc('week', local_time(event_timestamp))) AS week FROM baskets)
SELECT m.store_id, m.event_timestamp, count(v.store_id)::DOUBLE AS store_baskets_13w
FROM moments m LEFT JOIN visits v
  ON v.store_id = m.store_id AND v.week < m.event_timestamp
 AND v.week >= m.event_timestamp - INTERVAL {STORE_WEEKS * 7 + 1} DAY  -- a day more than the weeks: clocks change
GROUP BY ALL
"""  # noqa: S608 - a constant of ours

COLUMNS = {
    "household_id": (
        f"coalesce(d.age_band, '{UNKNOWN}') AS age_band, coalesce(d.income_band, '{UNKNOWN}') AS income_band",
        "LEFT JOIN demographics d ON d.household_id = r.household_id",
    ),
    "category_id": ("c.department", "JOIN categories c ON c.category_id = r.category_id"),
    "store_id": (
        "s.store_baskets_13w",
        "JOIN store_size s ON s.store_id = r.store_id AND s.event_timestamp = r.event_timestamp",
    ),
}
"""Entity key of a label row -> the columns that it brings, and the join that finds them."""


def load_demographics(con: duckdb.DuckDBPyConnection, folder: Path, rules: Rules) -> None:
    """Create ``demographics`` inside ``con``: age and income of the households that the panel asked.

    Args:
        con: a connection that `polymart.data.shop.load_shop` filled.
        folder: the raw files; ``demographics.parquet`` may be absent.
        rules: receives how many households are known.
    """
    path = folder / "demographics.parquet"
    if path.is_file():
        con.execute(DEMOGRAPHICS, {"path": str(path)})
    else:
        con.execute(NO_DEMOGRAPHICS)
    households = count_rows(con, "(SELECT DISTINCT household_id FROM transactions)")
    known = count_rows(con, "(SELECT DISTINCT household_id FROM transactions JOIN demographics USING (household_id))")
    unknown = households - known
    rules.add("demographics", f"a household that was not asked is {UNKNOWN!r}", households, households, changed=unknown)


def add_groups(con: duckdb.DuckDBPyConnection, rows: pa.Table) -> pa.Table:
    """``rows`` in their order, with age_band and income_band of their household, the department of their category,
    and the panel's baskets in their store in the 13 whole weeks before (store_baskets_13w), where they have such keys.

    Args:
        con: a connection with the clean tables and `load_demographics`.
        rows: a label table.
    """
    keys = [key for key in COLUMNS if key in rows.column_names]
    if not keys:
        return rows
    con.register("label_rows", rows.append_column("position", pa.array(np.arange(len(rows)))))
    if "store_id" in keys:
        con.execute(STORE_SIZE)
    columns = ", ".join(COLUMNS[key][0] for key in keys)
    joins = " ".join(COLUMNS[key][1] for key in keys)
    found = con.sql(f"SELECT {columns} FROM label_rows r {joins} ORDER BY r.position").to_arrow_table()  # noqa: S608
    con.unregister("label_rows")
    assert len(found) == len(rows), f"{len(rows)} label rows went into the groups, {len(found)} came back"
    for name in found.column_names:
        rows = rows.append_column(name, found[name])
    return rows
