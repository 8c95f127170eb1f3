"""Read the online store: the newest features of entities, for serving."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from feast import FeatureService, FeatureStore
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

from feature_repo.opening import join_keys, open_store, service_views


def online_features(
    store: Path, feature_service: str, entity_rows: list[dict[str, int]]
) -> list[dict[str, Any] | None]:
    """The newest features of each entity row, in order.

    A value that is stored but missing is None. A row of whose keys the store knows nothing in any view is None as
    a whole; where only some views know the keys (a household without this campaign), the others' features are None.

    Args:
        store: folder that `feature_repo.retrieval.materialize` filled.
        feature_service: name in `feature_repo.services.SERVICES`.
        entity_rows: the service's entity keys, one dict a row.

    Raises:
        ValueError: no such service, or a row lacks a key.
    """
    if not entity_rows:
        return []
    feature_store, service, keys = opened(Path(store), feature_service, version_of(store))
    for number, row in enumerate(entity_rows):
        absent = [key for key in keys if key not in row]
        if absent:
            raise ValueError(f"service {feature_service}: entity row {number} lacks the keys {', '.join(absent)}")
    asked = [{key: row[key] for key in keys} for row in entity_rows]
    response = feature_store.get_online_features(features=service, entity_rows=asked)
    values, proto = response.to_dict(), response.proto
    known = _known(proto, keys, len(asked))
    names = [name for name in values if name not in keys]
    return [{name: values[name][row] for name in names} if known[row] else None for row in range(len(asked))]


def _known(proto: Any, keys: tuple[str, ...], count: int) -> list[bool]:
    """Whether any feature of the row was found.

    SQLite and PostgreSQL answer NOT_FOUND for an entity that they never saw; Redis answers PRESENT, with no time.
    """
    found = [False] * count
    for name, result in zip(proto.metadata.feature_names.val, proto.results, strict=True):
        if name not in keys:
            for row, (status, at) in enumerate(zip(result.statuses, result.event_timestamps, strict=True)):
                found[row] |= status != FieldStatus.NOT_FOUND and at.seconds > 0
    return found


def version_of(store: Path) -> int:
    """Changes when the store is applied again."""
    registry = Path(store) / "registry.db"
    return registry.stat().st_mtime_ns if registry.is_file() else 0


@lru_cache(maxsize=16)
def opened(store: Path, feature_service: str, version: int) -> tuple[FeatureStore, FeatureService, tuple[str, ...]]:
    """The store, a service of it and the keys it needs; ``version`` is that of `version_of`.

    Raises:
        ValueError: no such service.
    """
    # Opening parses the registry (20 ms): once per store and version, not once per request.
    feature_store = open_store(store)
    keys = join_keys(service_views(feature_store, feature_service))
    return feature_store, feature_store.get_feature_service(feature_service), tuple(keys)
