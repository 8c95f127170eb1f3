"""From raw archives to the ``tables/`` artifact: clean tables, features, labels and the record of every rule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polymart.data import demand, features, history, labels, shop, texts
from polymart.data.provenance import provenance
from polymart.data.tables import Rules, connect, count_rows, query_table, write_table
from polymart.errors import TableError
from polymart.files import atomic_folder, digest_file, digest_text, storage_errors, write_json

LabelMaps = dict[str, list[str] | None]
"""Label table -> its label map; none where labels are numbers."""

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
"""Tables that come from each known source, as paths without ``.parquet`` below the tables folder."""

NOTES = {
    "next_category": "label = ids of the categories in a household's next basket; first baskets left out",
    "coupon_response": "label = household redeemed any coupon of the campaign between its first and last day",
    "demand": "label = units the panel bought in a week, not store totals; series are chosen by activity over the "
    "whole log",
    "sentiment": "label = mean human valence below -0.5, within, above 0.5; split by whole reviews",
    "intent": "label = customer-service intent; the test file as published",
}


def prepare_tables(sources: Mapping[str, Path], out: Path, *, absent: Collection[str] = ()) -> dict[str, object]:
    """Write the ``tables/`` artifact; the same sources give the same bytes.

    Args:
        sources: folder of each raw source by key (`TABLES_OF`).
        out: folder of the artifact, replaced whole when everything succeeded.
        absent: keys of sources that were wanted too, but are not there: their tables are left out.

    Returns:
        The content of ``tables.json``: ``rules`` (table, rule, rows_before, rows_after), ``tables`` (rows, digest,
        data_origin, licence), ``skipped`` (source -> one line how to get it), ``digest`` of all tables.

    Raises:
        TableError: a source is unknown, a raw file is missing or unreadable, or nothing is left after cleaning.
        StorageError: the disk refuses.
    """
    unknown = sorted(set(sources) - set(TABLES_OF))
    if unknown or not sources:
        raise TableError(
            f"prepare_tables knows the sources {', '.join(TABLES_OF)}; found {', '.join(unknown) or 'none'}",
            remedy="give at least one of the known sources",
        )
    rules = Rules()
    label_maps: LabelMaps = {}
    with atomic_folder(out) as folder, storage_errors(out):
        for key, write in WRITERS.items():
            if key in sources:
                label_maps |= write(sources[key], folder, rules)
        report = _describe(folder, sources, absent, rules)
        write_json(folder / "labels/labels.json", _label_info(label_maps))
        write_json(folder / "tables.json", report)
    return report


def _write_shop(source: Path, folder: Path, rules: Rules) -> LabelMaps:
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


def _write_reviews(source: Path, folder: Path, rules: Rules) -> LabelMaps:
    _write_frame(folder / "labels/sentiment.parquet", texts.read_reviews(source, rules))
    return {"sentiment": texts.SENTIMENTS}


def _write_questions(source: Path, folder: Path, rules: Rules) -> LabelMaps:
    questions = texts.read_questions(source, rules)
    _write_frame(folder / "labels/intent.parquet", questions)
    return {"intent": sorted(questions.label.unique())}


WRITERS: dict[str, Callable[[Path, Path, Rules], LabelMaps]] = {
    "completejourney": _write_shop,
    "amazon_graded": _write_reviews,
    "banking77": _write_questions,
}
"""Source -> (its folder, the tables folder, rules) -> label maps; writes every table of `TABLES_OF`."""


def _write_frame(path: Path, frame: pd.DataFrame) -> None:
    write_table(path, pa.Table.from_pandas(frame, preserve_index=False))


def _describe(folder: Path, sources: Collection[str], absent: Collection[str], rules: Rules) -> dict[str, object]:
    tables = {
        name: {
            "rows": pq.read_metadata(folder / f"{name}.parquet").num_rows,
            "digest": digest_file(folder / f"{name}.parquet"),
            "source": key,
            "data_origin": provenance(key).data_origin,
            "licence": provenance(key).licence,
        }
        for key, names in TABLES_OF.items()
        if key in sources
        for name in names
    }
    skipped = {key: f"{key} is absent: {provenance(key).get}" for key in sorted(absent)}
    digest = digest_text("\n".join(f"{name} {table['digest']}" for name, table in sorted(tables.items())))
    return {"version": 1, "digest": digest, "tables": tables, "rules": rules.entries, "skipped": skipped}


def _label_info(label_maps: LabelMaps) -> dict[str, object]:
    origin = {name.removeprefix("labels/"): key for key, names in TABLES_OF.items() for name in names}
    return {
        name: {
            "labels": names,
            "data_origin": provenance(origin[name]).data_origin,
            "licence": provenance(origin[name]).licence,
            "note": NOTES[name],
        }
        for name, names in label_maps.items()
    }
