"""Products as items to recommend or to find: their texts, what each household bought of them, the next basket."""

from __future__ import annotations

import re

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from polymart.data.history import Lists, list_columns, purchases, running_counts
from polymart.data.tables import Rules, count_rows, query_table
from polymart.data.wording import readable

MAX_PRODUCTS = 100
"""Products of a household's history: those with the highest decayed count."""
BRANDS = {"National": "national brand", "Private": "store brand"}
MAX_SIZE = 1000
"""Larger numbers in ``package_size`` are codes of the catalogue."""

BOUGHT_PRODUCTS = """
SELECT p.product_id, p.department, p.brand, p.product_type, p.package_size, c.category_id, c.name AS category
FROM products p JOIN categories c USING (category)
WHERE p.product_id IN (SELECT product_id FROM transactions) ORDER BY p.product_id
"""

POSITIONS = """
CREATE OR REPLACE TEMP TABLE product_positions AS
SELECT product_id, row_number() OVER (ORDER BY product_id) - 1 AS position
FROM (SELECT DISTINCT product_id FROM transactions)
"""

BOUGHT = """
SELECT DISTINCT household_id, b.basket_id, b.event_timestamp, position AS id
FROM transactions JOIN product_positions USING (product_id) JOIN baskets b USING (household_id, basket_id)
ORDER BY household_id, b.event_timestamp, b.basket_id, id
"""

NEXT_PRODUCT = """
WITH firsts AS (SELECT household_id, min(event_timestamp) AS first_timestamp FROM baskets GROUP BY household_id)
SELECT household_id, household_id || '-' || basket_id AS example_id,
       b.event_timestamp - INTERVAL 1 SECOND AS event_timestamp, b.event_timestamp AS label_end,
       list_sort(list(DISTINCT position)) AS label
FROM baskets b JOIN firsts USING (household_id)
JOIN transactions t USING (household_id, basket_id) JOIN product_positions USING (product_id)
WHERE b.event_timestamp > first_timestamp  -- a household's first basket has no history to predict from
GROUP BY household_id, basket_id, b.event_timestamp
ORDER BY household_id, label_end, basket_id
"""


def product_items(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """The item table ``products``: every product that was bought, by product_id.

    Columns: item_id (product_id, ascending), text (department, category, type, package size, brand, in words),
    category (its name in `labels.json`), category_id; product_type, package (size) and brand in words, empty where
    unknown.
    """
    frame = con.execute(BOUGHT_PRODUCTS).df()
    words = pd.DataFrame(
        {
            "item_id": frame.product_id,
            "category": frame.category,
            "category_id": frame.category_id,
            "product_type": _worded(frame.product_type),
            "package": frame.package_size.map(readable_size, na_action="ignore").fillna(""),
            "brand": frame.brand.map(lambda brand: BRANDS.get(brand, readable(brand))),
        }
    )
    parts = [words.product_type, words.package, words.brand, words.category, _worded(frame.department)]
    words.insert(1, "text", [", ".join(part for part in row if part) for row in zip(*parts, strict=True)])
    return pa.Table.from_pandas(words, preserve_index=False)


def _worded(column: pd.Series) -> pd.Series:
    return column.map({name: readable(name) for name in column.dropna().unique()}).fillna("")


def readable_size(size: str) -> str:
    """A package size without the catalogue's codes: ``AB    8 OZ`` -> ``8 oz``; empty where none is told."""
    found = re.search(r"(\d*\.?\d+)\s*([A-Z]+)$", size.upper().strip())
    return f"{found[1].lstrip('0')} {found[2].lower()}" if found and 0 < float(found[1]) < MAX_SIZE else ""


def household_products(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row per household after each basket: its products as aligned lists, at most 100.

    Columns: product_ids (positions in the item table, int64, ascending), product_count, product_decayed,
    product_gap (float32, aligned), as `polymart.data.history` defines them. A longer history keeps the products with
    the highest decayed count; of equal ones the lower position.
    """
    con.execute(POSITIONS)
    return list_columns("product", *purchases(con, BOUGHT, _most_relevant))


def _most_relevant(times: np.ndarray, baskets: np.ndarray, ids: np.ndarray) -> Lists:
    state = running_counts(times, baskets, ids)
    long = np.flatnonzero(state.seen_RC.sum(axis=1) > MAX_PRODUCTS)
    if len(long):
        order = np.argsort(-state.decayed_RC[long], axis=1, kind="stable")
        state.seen_RC[long[:, None], order[:, MAX_PRODUCTS:]] = False
    return state.lists()


def next_product_labels(con: duckdb.DuckDBPyConnection, rules: Rules) -> pa.Table:
    """Item positions (int64, ascending, distinct) of every basket that is not its household's first."""
    con.execute(POSITIONS)
    table = query_table(con, NEXT_PRODUCT)
    rule = "the basket is not its household's first"
    rules.add("labels/next_product", rule, count_rows(con, "baskets"), table.num_rows)
    return table
