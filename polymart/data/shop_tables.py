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
from polymart.data import (
    assortment,
    behaviour,
    demand,
    features,
    groups,
    history,
    household_state,
    labels,
    relevance,
    repurchase,
    shop,
)
from polymart.data.tables import LabelInfo, Rules, Wanted, connect, count_rows, query_table, write_table

FEATURES: dict[str, Callable[[duckdb.DuckDBPyConnection], pa.Table]] = {
    "household_profile": features.household_profile,
    "household_history": history.household_history,
    "campaign": features.campaign,
    "household_campaign": features.household_campaign,
    "series_demand": demand.series_demand,
    "household_visit": behaviour.household_visit,
    "household_activity": behaviour.household_activity,
    "household_category": repurchase.household_category,
    "category_week": repurchase.category_week,
    "household_products": assortment.household_products,
    "household_state": household_state.household_state,
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
    "next_product": LabelSource(
        assortment.next_product_labels,
        ("household_profile", "household_history", "household_products"),
        "label = positions in items/products of the products in a household's next basket; first baskets left out",
        items="products",
    ),
    "repurchase_7d": LabelSource(
        repurchase.repurchase_labels,
        ("household_profile", "household_activity", "household_category", "category_week"),
        "label = household buys the category within the 7 days from a Monday on; only categories of at least four "
        "baskets, the last within 28 days",
    ),
    "next_action": LabelSource(
        behaviour.next_action_labels,
        ("household_profile", "household_history", "household_visit"),
        "label = household visits again within three days after a visit",
    ),
    "churn": LabelSource(
        behaviour.churn_labels,
        ("household_profile", "household_activity"),
        "label = no visit in the 30 days from the first of a month on, of households that visited in the 90 days "
        "before",
    ),
    "search_relevance": LabelSource(
        relevance.search_relevance_labels,
        (),
        "label = 3 exact, 2 substitute, 1 complement, 0 irrelevant, derived from product types, sizes and brands and "
        "from what is bought together; queries are made by rules, nobody judged them; whole types held out",
        origin="derived",
    ),
}
"""Label sources of the shop by name (`Task.source`)."""

ITEMS: dict[str, Callable[[duckdb.DuckDBPyConnection], pa.Table]] = {"products": assortment.product_items}
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
        groups.load_demographics(con, source, rules)
        if "demand" in chosen:
            _load_demand(con, rules)
        if "repurchase_7d" in chosen:
            repurchase.load_habits(con)
        for name, query in shop.CLEAN.items():
            write_table(folder / f"{name}.parquet", query_table(con, query))
        needed = {feature for label in chosen.values() for feature in label.features}
        if not needed.isdisjoint(household_state.CARRIED):
            needed.add("household_state")
        for name in (name for name in FEATURES if name in needed):
            write_table(folder / f"features/{name}.parquet", FEATURES[name](con))
        for name in (name for name in ITEMS if name in {label.items for label in chosen.values()}):
            write_table(folder / f"items/{name}.parquet", ITEMS[name](con))
        for name, label in chosen.items():
            write_table(folder / f"labels/{name}.parquet", groups.add_groups(con, label.build(con, rules)))
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
