"""Apply the definitions, join features point-in-time, fill the online store."""

from __future__ import annotations

import io
import shutil
import warnings
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
from feast import FeatureStore, FeatureView

import feature_repo.exit  # noqa: F401 - registers itself
from feature_repo.active import write_active
from feature_repo.assortment import write_assortment
from feature_repo.entities import ENTITIES
from feature_repo.online import online_features
from feature_repo.opening import check_config, join_keys, open_store, service_views
from feature_repo.services import make_services
from feature_repo.sources import make_sources
from feature_repo.views import COLUMNS, make_views
from feature_repo.wide import POINTER, ROW, batch_file, is_wide, make_pointer, take_rows

__all__ = ["apply", "materialize", "online_features", "open_store", "retrieve"]

ROW_ID = "polymart_row_id"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def apply(tables: Path, store: Path) -> FeatureStore:
    """Register entities, views and services in a fresh store folder.

    The online part of a store can be moved with its folder, unless FEAST_FS_YAML_FILE_PATH puts it on a server; joins
    read the feature files where they were applied.

    Args:
        tables: the ``tables/`` artifact; its feature files are read in place.
        store: folder of the store; what it held of an earlier store is removed.

    Raises:
        FileNotFoundError: the tables hold no feature table.
        ValueError: see `feature_repo.opening.check_config`.
    """
    views = make_views(make_sources(tables, COLUMNS))
    store = Path(store)
    store.mkdir(parents=True, exist_ok=True)
    # A registry that outlives its online database makes Feast say "No changes" and fail later: start clean.
    for name in ("registry.db", "online.db"):
        (store / name).unlink(missing_ok=True)
    shutil.copyfile(Path(__file__).with_name("feature_store.yaml"), store / "feature_store.yaml")
    check_config(store)
    feature_store = FeatureStore(repo_path=str(store))
    write_assortment(tables, store)
    pointers = [make_pointer(view, store) for view in views.values() if is_wide(view)]
    feature_store.apply([*ENTITIES, *views.values(), *pointers, *make_services(views)])
    return feature_store


def retrieve(store: Path, feature_service: str, entity_rows: pd.DataFrame) -> pd.DataFrame:
    """Join the features of a service to entity rows as they were known at each row's ``event_timestamp``.

    A value counts as known when both its ``event_timestamp`` and its ``created_timestamp`` are at or before the
    row's; of several the newest event wins, then the newest creation.

    Args:
        store: folder that `apply` made.
        feature_service: name in `feature_repo.services.SERVICES`.
        entity_rows: entity keys and ``event_timestamp`` (naive UTC); other columns are carried along.

    Returns:
        ``entity_rows`` in its order with the service's columns appended; what was unknown then is missing.
        ``attrs["newest_features"]`` tells of each view the ``event_timestamp`` (ISO 8601, UTC) of the newest row that
        was known at the newest of all decisions.

    Raises:
        ValueError: no such service, a key is missing from ``entity_rows``, a feature would overwrite one of its
            columns, or the join did not return every row exactly once.
    """
    feature_store = open_store(store)
    views = service_views(feature_store, feature_service)
    keys = join_keys(views)
    _check_columns(feature_service, views, entity_rows)
    asked = entity_rows[[*keys, "event_timestamp"]].reset_index(drop=True)
    asked[ROW_ID] = range(len(asked))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # ibis still calls a method that duckdb renamed
        joined = (
            feature_store.get_historical_features(
                asked,
                features=[ref for view in views for ref in _references(view)],
                filter_by_created_timestamp=True,
            )
            .to_df()
            .sort_values(ROW_ID, ignore_index=True)
        )
    if not joined[ROW_ID].equals(asked[ROW_ID]):
        raise ValueError(f"service {feature_service}: {len(asked)} rows went into the join, {len(joined)} came back")
    features = [
        take_rows(view, store, joined[ROW.format(view.name)])
        if is_wide(view)
        else joined[[field.name for field in view.features]]
        for view in views
    ]
    found = pd.concat([entity_rows.reset_index(drop=True), *features], axis=1)
    newest = {view.name: _newest(view, entity_rows["event_timestamp"].max()) for view in views}
    found.attrs = {"newest_features": {name: f"{at:%FT%TZ}" for name, at in newest.items() if at is not None}}
    return found


def _references(view: FeatureView) -> list[str]:
    if is_wide(view):
        return [f"{POINTER.format(view.name)}:{ROW.format(view.name)}"]
    return [f"{view.name}:{field.name}" for field in view.features]


def _check_columns(feature_service: str, views: list[FeatureView], entity_rows: pd.DataFrame) -> None:
    absent = [name for name in (*join_keys(views), "event_timestamp") if name not in entity_rows]
    if absent:
        raise ValueError(f"service {feature_service} needs the columns {', '.join(absent)} in its entity rows")
    twice = [field.name for view in views for field in view.features if field.name in entity_rows]
    if twice:
        raise ValueError(f"service {feature_service} would overwrite the columns {', '.join(twice)} of its entity rows")


def materialize(store: Path, until: datetime | None = None) -> dict[str, int]:
    """Write the newest values of every entity into the online store; values past their time to live stay out.

    Args:
        store: folder that `apply` made.
        until: newest ``event_timestamp`` taken (naive UTC); the newest of all tables when None.

    Returns:
        Rows of each view's newest values (one per entity) that were written.
    """
    feature_store = open_store(store)
    views = sorted((view for view in feature_store.list_feature_views() if view.online), key=lambda view: view.name)
    until = until or max(stamp for stamp in (_newest(view) for view in views) if stamp is not None)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # Feast prints its progress in colour
        warnings.simplefilter("ignore", DeprecationWarning)
        for view in views:
            feature_store.materialize(_oldest(view, until), until.replace(tzinfo=UTC), [view.name])
    write_active(feature_store, until, Path(store))
    return {view.name: _num_entities(view, until) for view in views}


def _newest(view: FeatureView, known_at: datetime | None = None) -> datetime | None:
    """The newest ``event_timestamp`` of a view, of all its rows or of those that were known at a moment."""
    sql = """SELECT max(event_timestamp) FROM read_parquet($path)
             WHERE $at IS NULL OR (event_timestamp <= $at AND created_timestamp <= $at)"""
    with duckdb.connect() as con:
        return con.execute(sql, {"path": str(batch_file(view)), "at": known_at}).fetchall()[0][0]


def _oldest(view: FeatureView, until: datetime) -> datetime:
    return until.replace(tzinfo=UTC) - view.ttl if view.ttl else EPOCH


def _num_entities(view: FeatureView, until: datetime) -> int:
    keys = ", ".join(join_keys([view]))
    sql = f"""SELECT count(DISTINCT ({keys})) FROM read_parquet($path)
              WHERE event_timestamp >= $oldest AND event_timestamp <= $until"""  # noqa: S608 - names of ours
    oldest = _oldest(view, until).replace(tzinfo=None)
    with duckdb.connect() as con:
        found = con.execute(sql, {"path": str(batch_file(view)), "oldest": oldest, "until": until})
        return int(found.fetchall()[0][0])
