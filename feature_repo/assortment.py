"""What a basket's products mean to the features: a small file in the store folder, made with the store.

Online views hold households, not products: the folder moves as a whole, and 90,000 products fit in a megabyte.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

ASSORTMENT = "assortment.parquet"
TABLES = ("products", "categories", "transactions")

# Fuel is no product of a basket, and a product that nobody bought has no position in the item table.
PRODUCTS = """
COPY (
    SELECT p.product_id, c.category_id, c.name AS category, b.position
    FROM read_parquet('{products}') p JOIN read_parquet('{categories}') c USING (category)
    LEFT JOIN (SELECT product_id, row_number() OVER (ORDER BY product_id) - 1 AS position
               FROM (SELECT DISTINCT product_id FROM read_parquet('{transactions}'))) b USING (product_id)
    WHERE p.department <> 'FUEL' ORDER BY p.product_id
) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


def write_assortment(tables: Path, store: Path) -> None:
    """Write product_id, category_id, category (its name) and position (in the item table, or null) into the store.

    Args:
        tables: the ``tables/`` artifact; without its clean tables the store has no assortment.
        store: folder of the store.
    """
    target = Path(store) / ASSORTMENT
    target.unlink(missing_ok=True)
    paths = {name: Path(tables) / f"{name}.parquet" for name in TABLES}
    if all(path.is_file() for path in paths.values()):
        quoted = {name: str(path).replace("'", "''") for name, path in {**paths, "target": target}.items()}
        with duckdb.connect() as con:
            con.execute(PRODUCTS.format(**quoted))
