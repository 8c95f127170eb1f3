"""Open a store folder and look its services up."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("FEAST_USAGE", "False")  # read when feast is imported: no telemetry

from feast import FeatureStore, FeatureView


def open_store(store: Path) -> FeatureStore:
    """The store in a folder that `feature_repo.retrieval.apply` made.

    Raises:
        FileNotFoundError: the folder holds no applied store.
    """
    absent = [name for name in ("feature_store.yaml", "registry.db") if not (Path(store) / name).is_file()]
    if absent:
        raise FileNotFoundError(f"{store} is no feature store: {', '.join(absent)} missing; run apply(tables, store)")
    return FeatureStore(repo_path=str(store))


def service_views(feature_store: FeatureStore, feature_service: str) -> list[FeatureView]:
    """The views of a service, in its order.

    Raises:
        ValueError: no such service.
    """
    known = sorted(service.name for service in feature_store.list_feature_services())
    if feature_service not in known:
        raise ValueError(f"no feature service {feature_service!r}; known: {', '.join(known)}")
    service = feature_store.get_feature_service(feature_service)
    return [feature_store.get_feature_view(projection.name) for projection in service.feature_view_projections]


def join_keys(views: list[FeatureView]) -> list[str]:
    """The entity keys that the views need together."""
    return list(dict.fromkeys(column.name for view in views for column in view.entity_columns))
