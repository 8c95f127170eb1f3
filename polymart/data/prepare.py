"""From raw archives to the ``tables/`` artifact: clean tables, features, labels and the record of every rule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from polymart.config import Origin, Settings, Task
from polymart.data import emotions, finefoods, fraud, opinions, pictures, shop_tables, support, texts
from polymart.data.own_tables import write_own_table
from polymart.data.provenance import provenance
from polymart.data.tables import LabelInfo, Rules, Wanted
from polymart.errors import TableError
from polymart.files import atomic_folder, digest_file, digest_text, storage_errors, write_json

TABLES_OF: dict[str, list[str]] = {
    "completejourney": shop_tables.TABLES,
    "amazon_graded": ["labels/sentiment"],
    "graded_opinions": ["labels/opinion"],
    "banking77": ["labels/intent"],
    "goemotions": ["labels/emotion"],
    "finefoods": ["labels/review_quality"],
    "retail_kb": ["items/support_documents", "labels/answer"],
    "fashion_mnist": ["labels/image_category", "labels/image_attributes"],
    "fraud_light": ["labels/fraud"],
    "fraud_ieee": ["labels/fraud_ieee"],
}
"""Tables that come from each known source, as paths without ``.parquet`` below the tables folder."""

NOTES: dict[str, str] = {
    **{name: label.note for name, label in shop_tables.LABELS.items()},
    **pictures.NOTES,
    "sentiment": "label = mean human valence below -0.5, within, above 0.5; split by whole reviews",
    "opinion": "valence = mean human valence, -4 to 4; split by whole reviews and editorials, half of them for tests",
    "intent": "label = customer-service intent; the test file as published",
    "emotion": "label = every emotion that readers saw in a comment; the files as published",
    "review_quality": "label = five stars (great) or fewer (other); the package's own test set, val by whole products",
    "answer": "label = documents that a scenario's authors say an agent needs; query = the customer's first words",
    "fraud": "label = a transaction is fraud, by a rule nobody documents; train before June 2019, test from July",
    "fraud_ieee": "label = a transaction was reported as fraud; days 0-119, 120-149, 150-181",
}


def prepare_tables(
    sources: Mapping[str, Path],
    out: Path,
    *,
    wanted: Collection[str] | None = None,
    absent: Collection[str] = (),
    own: Collection[Task] = (),
    settings: Settings | None = None,
) -> dict[str, object]:
    """Write the ``tables/`` artifact; the same sources give the same bytes.

    Args:
        sources: folder of each raw source by key (`TABLES_OF`).
        out: folder of the artifact, replaced whole when everything succeeded.
        wanted: label tables (`Task.source`) to make, with what they need; None makes all that the sources offer.
        absent: keys of sources that were wanted too, but are not there: their tables are left out.
        own: tasks that bring a table of the user's own, whose files exist.
        settings: where those files lie; the environment's if None.

    Returns:
        The content of ``tables.json``: ``rules`` (table, rule, rows_before, rows_after), ``tables`` (rows, digest,
        data_origin, licence), ``skipped`` (source -> one line how to get it), ``digest`` of all tables.

    Raises:
        TableError: a source is unknown, a raw file is missing or unreadable, or nothing is left after cleaning.
        StorageError: the disk refuses.
    """
    unknown = sorted(set(sources) - set(TABLES_OF))
    if unknown or not (sources or own):
        raise TableError(
            f"prepare_tables knows the sources {', '.join(TABLES_OF)}; found {', '.join(unknown) or 'none'}",
            remedy="give at least one of the known sources",
        )
    _check_own(own)
    rules = Rules()
    labels: LabelInfo = {}
    with atomic_folder(out) as folder, storage_errors(out):
        for key, write in WRITERS.items():
            if key in sources:
                labels |= write(sources[key], folder, rules, wanted)
        brought = {task.source: write_own_table(folder, task, settings or Settings(), rules) for task in own}
        own_tables = {f"labels/{source}": entry for source, (entry, _) in brought.items()}
        own_labels = {source: info for source, (_, info) in brought.items()}
        report = _describe(folder, sources, absent, rules, own_tables)
        write_json(folder / "labels/labels.json", _label_info(labels) | own_labels)
        write_json(folder / "tables.json", report)
    return report


def _check_own(own: Collection[Task]) -> None:
    known = {name.removeprefix("labels/") for names in TABLES_OF.values() for name in names}
    taken = sorted(task.source for task in own if task.source in known)
    if taken:
        raise TableError(
            f"the tables of your own must have source names of their own; Polymart itself makes {', '.join(taken)}",
            remedy="rename source in the suite",
        )


WRITERS: dict[str, Callable[[Path, Path, Rules, Wanted], LabelInfo]] = {
    "completejourney": shop_tables.write_shop,
    "amazon_graded": opinions.write_reviews,
    "graded_opinions": opinions.write_opinions,
    "banking77": texts.write_questions,
    "goemotions": emotions.write_comments,
    "finefoods": finefoods.write_food_reviews,
    "retail_kb": support.write_support,
    "fashion_mnist": pictures.write_pictures,
    "fraud_light": fraud.write_light,
    "fraud_ieee": fraud.write_ieee,
}
"""Source -> (its folder, the tables folder, rules, wanted label tables) -> what `labels.json` says of its labels.

A writer may make every table of its entry in `TABLES_OF` where that costs next to nothing."""


def _describe(
    folder: Path, sources: Collection[str], absent: Collection[str], rules: Rules, own: dict[str, dict[str, Any]]
) -> dict[str, object]:
    tables: dict[str, dict[str, Any]] = own | {
        name: {
            "rows": pq.read_metadata(folder / f"{name}.parquet").num_rows,
            "digest": digest_file(folder / f"{name}.parquet"),
            "source": key,
            "data_origin": _origin(name, key),
            "licence": provenance(key).licence,
        }
        for key, names in TABLES_OF.items()
        if key in sources
        for name in names
        if (folder / f"{name}.parquet").is_file()
    }
    skipped = {key: f"{key} is absent: {provenance(key).get}" for key in sorted(absent)}
    digest = digest_text("\n".join(f"{name} {table['digest']}" for name, table in sorted(tables.items())))
    return {"version": 1, "digest": digest, "tables": tables, "rules": rules.entries, "skipped": skipped}


def _label_info(labels: LabelInfo) -> LabelInfo:
    source = {name.removeprefix("labels/"): key for key, names in TABLES_OF.items() for name in names}
    return {
        name: {
            **info,
            "data_origin": _origin(f"labels/{name}", source[name]),
            "licence": provenance(source[name]).licence,
            "note": NOTES[name],
        }
        for name, info in labels.items()
    }


def _origin(table: str, source: str) -> Origin | None:
    """Labels that our own rules derive are no longer what their source is."""
    name = table.removeprefix("labels/")
    label = shop_tables.LABELS.get(name)
    return (label.origin if label else pictures.ORIGINS.get(name)) or provenance(source).data_origin
