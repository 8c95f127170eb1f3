"""Which tables of the shop a task needs, and how each is made.

A label source names the feature tables that its feature service reads, so that a suite pays only for what its
tasks use. A new table is one entry here, one schema in `polymart.schemas` and, for features, one view in
`feature_repo.views`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from polymart.config import Origin
from polymart.data import demand, features, history, labels, shop
from polymart.data.tables import LabelInfo, Rules, Wanted, connect, count_rows, query_table, write_table

FEATURES: dict[str, Callable[[duckdb.DuckDBPyConnection], pa.Table]] = {
    "household_profile": features.household_profile,
    "household_history": history.household_history,
    "campaign": features.campaign,
    "household_campaign": features.household_campaign,
    "series_demand": demand.series_demand,
}
"""Builder of each feature table, in the order in which they are made."""


class LabelSource(NamedTuple):
    """One decision of the shop that examples are made of."""

    build: Callable[[duckdb.DuckDBPyConnection, Rules], pa.Table]
    """Makes the label table."""
    features: tuple[str, ...]
    """Names of `FEATURES` that its feature service reads."""
    note: str
    """What a label means, in one line."""
    items: str | None = None
    """Item table whose positions are the labels (retrieval)."""
    origin: Origin | None = None
    """Where the labels come from, if not simply from the archive."""


LABELS: dict[str, LabelSource] = {
    "next_category": LabelSource(
        labels.next_category_labels,
        ("household_profile", "household_history"),
        "label = ids of the categories in a household's next basket; first baskets left out",
    ),
    "coupon_response": LabelSource(
        labels.coupon_response_labels,
        ("household_profile", "campaign", "household_campaign"),
        "label = household redeemed any coupon of the campaign between its first and last day",
    ),
    "demand": LabelSource(
        demand.demand_labels,
        ("series_demand",),
        "label = units the panel bought in a week, not store totals; series are chosen by activity over the whole log",
    ),
}
"""Label sources of the shop by name (`Task.source`)."""

ITEMS: dict[str, Callable[[duckdb.DuckDBPyConnection], pa.Table]] = {}
"""Builder of each item table."""

TABLES = [
    *shop.CLEAN,
    *(f"features/{name}" for name in FEATURES),
    *(f"items/{name}" for name in ITEMS),
    *(f"labels/{name}" for name in LABELS),
]
"""Every table of the shop, as a path without ``.parquet`` below the tables folder."""


def write_shop(source: Path, folder: Path, rules: Rules, wanted: Wanted = None) -> LabelInfo:
    """Write the clean tables of the shop, and the features, items and labels of the wanted label sources.

    Args:
        source: the raw files of completejourney.
        folder: the ``tables/`` artifact.
        rules: receives every rule applied with its counts.
        wanted: names of label sources; None makes all of `LABELS`.

    Returns:
        What ``labels.json`` says of each label table.

    Raises:
        TableError: a raw file is missing, unreadable or lacks a column, or no line survives the rules.
    """
    chosen = {name: label for name, label in LABELS.items() if wanted is None or name in wanted}
    with connect() as con:
        shop.load_shop(con, source, rules)
        if "demand" in chosen:
            _load_demand(con, rules)
        for name, query in shop.CLEAN.items():
            write_table(folder / f"{name}.parquet", query_table(con, query))
        needed = {feature for label in chosen.values() for feature in label.features}
        for name in (name for name in FEATURES if name in needed):
            write_table(folder / f"features/{name}.parquet", FEATURES[name](con))
        for name in (name for name in ITEMS if name in {label.items for label in chosen.values()}):
            write_table(folder / f"items/{name}.parquet", ITEMS[name](con))
        for name, label in chosen.items():
            write_table(folder / f"labels/{name}.parquet", label.build(con, rules))
        names = [row[0] for row in con.execute("SELECT name FROM categories ORDER BY category_id").fetchall()]
    info: LabelInfo = {
        name: {"labels": None, **({"items": label.items} if label.items else {})} for name, label in chosen.items()
    }
    if "next_category" in info:
        info["next_category"]["labels"] = names
    return info


def _load_demand(con: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    demand.load_demand(con, rules)
    if not count_rows(con, "series"):
        rules.add("features/series_demand", "no series is active long enough: the table is empty", 0, 0)
