"""The check that stands between prepared tables and everything that learns from them."""

from __future__ import annotations

from pathlib import Path

import duckdb

from polymart.data.own_tables import OWN
from polymart.data.tables import connect
from polymart.errors import TableError
from polymart.files import digest_file, read_json
from polymart.schemas import MAX_ROWS_SHOWN, OWN_TABLE, SCHEMAS, rules_of, validate_table

RELATIONS = [
    ("transactions", "product_id", "products"),
    ("transactions", "category_id", "categories"),
    ("targets", "campaign_id", "campaigns"),
    ("coupons", "campaign_id", "campaigns"),
    ("redemptions", "campaign_id", "campaigns"),
    ("features/series_demand", "category_id", "categories"),
    ("features/household_profile", "household_id", "baskets"),
    ("features/campaign", "campaign_id", "campaigns"),
    ("labels/next_category", "household_id", "features/household_profile"),
    ("labels/coupon_response", "campaign_id", "features/campaign"),
    ("labels/demand", "category_id", "features/series_demand"),
    ("features/household_visit", "household_id", "baskets"),
    ("features/household_activity", "household_id", "baskets"),
    ("features/household_category", "category_id", "categories"),
    ("labels/next_product", "household_id", "features/household_products"),
    ("labels/repurchase_7d", "category_id", "features/category_week"),
    ("labels/next_action", "household_id", "features/household_visit"),
    ("labels/churn", "household_id", "features/household_activity"),
    ("items/products", "category_id", "categories"),
]
"""(table, column, table that must hold every value of the column under the same name)."""


def validate_tables(tables: Path) -> dict[str, object]:
    """Check every table of the artifact against its schema, its digest and its relations.

    Args:
        tables: folder written by `polymart.data.prepare.prepare_tables`.

    Returns:
        ``tables``: name -> rows and rules checked; ``relations``: the foreign keys checked.

    Raises:
        TableError: on the first broken table, with every rule that it breaks, the counts and three example rows.
        StorageError: ``tables.json`` is absent or not JSON.
    """
    tables = Path(tables)
    listed = read_json(tables / "tables.json")["tables"]
    checked = {name: _check_table(tables, name, entry) for name, entry in listed.items()}
    with connect() as con:
        relations = [
            _check_relation(con, tables, *relation)
            for relation in RELATIONS
            if relation[0] in listed and relation[2] in listed
        ]
    return {"version": 1, "tables": checked, "relations": relations}


def _check_table(tables: Path, name: str, entry: dict[str, object]) -> dict[str, object]:
    schema = OWN_TABLE if entry["source"] == OWN else SCHEMAS.get(name)
    if schema is None:
        raise TableError(f"table {name} has no schema", remedy="add its schema to polymart/schemas/")
    path = tables / f"{name}.parquet"
    rows = validate_table(path, schema)
    if digest_file(path) != entry["digest"]:
        raise TableError(
            f"table {name}: its bytes differ from the digest in tables.json",
            remedy="a table was changed after prepare_tables: run it again",
        )
    return {"rows": rows, "rules": rules_of(schema)}


def _check_relation(con: duckdb.DuckDBPyConnection, tables: Path, table: str, column: str, parent: str) -> str:
    rule = f"every {column} of {table} stands in {parent}"
    sql = f"SELECT * FROM read_parquet($child) WHERE {column} NOT IN (SELECT {column} FROM read_parquet($parent))"  # noqa: S608
    files = {"child": str(tables / f"{table}.parquet"), "parent": str(tables / f"{parent}.parquet")}
    orphans = con.execute(sql, files).df()
    if len(orphans):
        shown = "\n".join(f"    {row}" for row in orphans.head(MAX_ROWS_SHOWN).astype(str).to_dict("records"))
        raise TableError(
            f"table {table} breaks a rule:\n  {rule}: {len(orphans)} rows do not\n{shown}",
            remedy="prepare both tables from the same source",
        )
    return rule
