"""Clean tables of the shop: products, categories, transactions, baskets, campaigns, coupons, redemptions.

The raw log is re-dated retail data with naive UTC timestamps; days and weeks are counted on New York's calendar,
where the nights are quiet and Christmas is empty.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from polymart.data.tables import Rules, count_rows, source_file
from polymart.data.wording import readable
from polymart.errors import TableError

KEY = "completejourney"
MAX_LINE_UNITS = 50
"""Units one line may count; five lines in ten thousand hold more than 20, and they are warehouse purchases."""

RAW = {
    "raw_lines": (
        "transactions.parquet",
        """
        SELECT CAST(household_id AS BIGINT) household_id, CAST(store_id AS BIGINT) store_id,
               CAST(basket_id AS BIGINT) basket_id, CAST(product_id AS BIGINT) product_id,
               CAST(quantity AS BIGINT) quantity, CAST(sales_value AS DOUBLE) sales_value,
               CAST(retail_disc AS DOUBLE) retail_disc, CAST(coupon_disc AS DOUBLE) coupon_disc,
               CAST(coupon_match_disc AS DOUBLE) coupon_match_disc,
               date_trunc('second', CAST(transaction_timestamp AS TIMESTAMP)) event_timestamp""",
    ),
    "products": (
        "products.parquet",
        """
        SELECT CAST(product_id AS BIGINT) product_id, CAST(manufacturer_id AS BIGINT) manufacturer_id,
               department, brand, trim(product_category) category, product_type, package_size""",
    ),
    "campaigns": (
        "campaign_descriptions.parquet",
        """
        SELECT CAST(campaign_id AS BIGINT) campaign_id, campaign_type,
               CAST(start_date AS DATE) start_date, CAST(end_date AS DATE) end_date,
               utc_midnight(start_date) start_timestamp,
               utc_midnight(CAST(end_date AS DATE) + 1) - INTERVAL 1 SECOND end_timestamp""",
    ),
    "targets": (
        "campaigns.parquet",
        """
        SELECT CAST(campaign_id AS BIGINT) campaign_id, CAST(household_id AS BIGINT) household_id""",
    ),
    "coupons": (
        "coupons.parquet",
        """
        SELECT CAST(coupon_upc AS BIGINT) coupon_upc, CAST(product_id AS BIGINT) product_id,
               CAST(campaign_id AS BIGINT) campaign_id""",
    ),
    "redemptions": (
        "coupon_redemptions.parquet",
        """
        SELECT CAST(household_id AS BIGINT) household_id, CAST(coupon_upc AS BIGINT) coupon_upc,
               CAST(campaign_id AS BIGINT) campaign_id, CAST(redemption_date AS DATE) redemption_date,
               -- only the day is known: a redemption counts as known once its day is over
               utc_midnight(CAST(redemption_date AS DATE) + 1) known_timestamp""",
    ),
}

LINE_RULES = [
    ("a line has a product row", "known"),
    ("a line's product has a category", "category IS NOT NULL"),
    (
        "fuel is left out: department FUEL, or category COUPON/MISC ITEMS with more than 100 units "
        "(quantities are thousandths of gallons)",
        "department <> 'FUEL' AND NOT (category = 'COUPON/MISC ITEMS' AND quantity > 100)",
    ),
    ("a line has a positive quantity: the others are returns, voids and coupon lines", "quantity > 0"),
]

LINES = """
CREATE TABLE transactions AS
SELECT l.*, p.product_id IS NOT NULL AS known, coalesce(p.department, '') AS department, p.category
FROM (SELECT DISTINCT * FROM raw_lines) l LEFT JOIN products p USING (product_id)
"""

CATEGORIES = """
CREATE TABLE category_names AS
WITH counted AS (SELECT category, department, count(*) AS num_lines FROM transactions GROUP BY ALL)
SELECT category, arg_max(department, (num_lines, department)) AS department, sum(num_lines)::BIGINT AS num_lines
FROM counted GROUP BY category ORDER BY category
"""

TRANSACTIONS = f"""
CREATE OR REPLACE TABLE transactions AS
SELECT household_id, store_id, basket_id, product_id, category_id,
       least(quantity, {MAX_LINE_UNITS}) AS quantity, sales_value, retail_disc, coupon_disc, coupon_match_disc,
       event_timestamp, local_time(event_timestamp)::DATE AS local_date,
       hour(local_time(event_timestamp)) AS local_hour,
       date_trunc('week', local_time(event_timestamp))::DATE AS week_start
FROM transactions JOIN categories USING (category)
ORDER BY event_timestamp, basket_id, product_id, quantity, sales_value, retail_disc, coupon_disc, coupon_match_disc
"""  # noqa: S608 - a constant of ours

# Money is summed in whole cents: floating sums depend on the order in which threads add them.
BASKETS = """
CREATE TABLE baskets AS
SELECT household_id, basket_id, min(store_id) AS store_id, max(event_timestamp) AS event_timestamp,
       sum(round(sales_value * 100)::BIGINT)::BIGINT AS value_cents, sum(quantity)::BIGINT AS num_units,
       count(*) AS num_lines, count(*) FILTER (WHERE coupon_disc > 0) AS num_coupon_lines,
       list_sort(list(DISTINCT category_id)) AS category_ids
FROM transactions GROUP BY household_id, basket_id
ORDER BY household_id, event_timestamp, basket_id
"""

CLEAN = {
    "transactions": "FROM transactions",  # already ordered
    "products": "FROM products ORDER BY product_id",
    "categories": "FROM categories ORDER BY category_id",
    "baskets": "FROM baskets ORDER BY household_id, event_timestamp, basket_id",
    "campaigns": "FROM campaigns ORDER BY campaign_id",
    "targets": "FROM targets ORDER BY campaign_id, household_id",
    "coupons": "FROM coupons ORDER BY campaign_id, coupon_upc, product_id",
    "redemptions": "FROM redemptions ORDER BY redemption_date, household_id, campaign_id, coupon_upc",
}
"""Query of each clean table, in its order on disk."""


def load_shop(con: duckdb.DuckDBPyConnection, folder: Path, rules: Rules) -> None:
    """Create the clean tables named in `CLEAN` inside ``con``.

    Args:
        con: a connection of `polymart.data.tables.connect`.
        folder: the raw parquet files of completejourney, or files of the same columns.
        rules: receives every rule applied with its counts.

    Raises:
        TableError: a file is missing, unreadable or lacks a column, or no line survives the rules.
    """
    for table, (name, select) in RAW.items():
        _read(con, table, source_file(folder, name, KEY), select)
    con.execute(LINES)
    rules.add(
        "transactions", "exact duplicates are dropped", count_rows(con, "raw_lines"), count_rows(con, "transactions")
    )
    con.execute("DROP TABLE raw_lines")
    rules.keep(con, "transactions", LINE_RULES)
    _load_categories(con)
    rows, capped = count_rows(con, "transactions"), count_rows(con, "transactions", f"quantity > {MAX_LINE_UNITS}")
    rules.add("transactions", f"a line counts at most {MAX_LINE_UNITS} units", rows, rows, changed=capped)
    con.execute(TRANSACTIONS)
    con.execute(BASKETS)
    for table in ("coupons", "redemptions", "targets"):
        _drop_duplicates(con, table, rules)


def _read(con: duckdb.DuckDBPyConnection, table: str, path: str, select: str) -> None:
    try:
        con.execute(f"CREATE TABLE {table} AS {select} FROM read_parquet($path)", {"path": path})
    except duckdb.Error as error:
        raise TableError(
            f"source {KEY}: {path} cannot be read as {table}: {error}",
            remedy="fetch the archive again, or give the file the columns named above",
        ) from error


def _load_categories(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(CATEGORIES)
    names = con.execute("FROM category_names ORDER BY category").df()
    if names.empty:
        raise TableError(
            f"source {KEY}: no line of transactions.parquet survives the cleaning rules",
            remedy="look at the rules in polymart/data/shop.py; the file may hold another shop's columns",
        )
    names.insert(0, "category_id", range(len(names)))
    names["name"] = names.category.map(readable)
    # Two spellings may read alike; labels must not.
    alike = names.name.duplicated(keep=False)
    names["name"] = names.name.where(~alike, names.category.str.lower().str.replace(",", " "))
    names["category_text"] = names.name + ", " + names.department.map(readable)
    con.register("category_frame", pa.Table.from_pandas(names, preserve_index=False))
    con.execute("CREATE TABLE categories AS FROM category_frame")
    con.unregister("category_frame")


def _drop_duplicates(con: duckdb.DuckDBPyConnection, table: str, rules: Rules) -> None:
    before = count_rows(con, table)
    con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT DISTINCT * FROM {table}")  # noqa: S608
    rules.add(table, "exact duplicates are dropped", before, count_rows(con, table))
