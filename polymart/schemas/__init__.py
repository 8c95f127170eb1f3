"""Schemas of every table of the ``tables/`` artifact: columns, types, ranges, keys.

A schema is a pandera `DataFrameSchema`; `validate_table` turns its complaints into one `TableError` that names the
table, the broken rules, how many rows break them and three of those rows.
"""

from __future__ import annotations

import pandera.pandas as pa

from polymart.schemas.checking import MAX_ROWS_SHOWN, rules_of, validate_table
from polymart.schemas.columns import text
from polymart.schemas.features import FEATURES
from polymart.schemas.shop import SHOP
from polymart.schemas.sources import SOURCES

__all__ = ["MAX_ROWS_SHOWN", "OWN_TABLE", "SCHEMAS", "rules_of", "validate_table"]

SCHEMAS: dict[str, pa.DataFrameSchema] = {str(schema.name): schema for schema in [*SHOP, *FEATURES, *SOURCES]}
"""Schema of each table by its path below the tables folder, without ``.parquet``."""
OWN_TABLE = pa.DataFrameSchema({"example_id": text()}, unique=["example_id"], name="of your own")
"""What holds of every table of the user's own; what its columns mean was checked when it was read."""
