"""Open a store folder and look its services up.

FEAST_FS_YAML_FILE_PATH names the file that says which online store is meant; unset, it is the one of the folder. A
cluster's file holds no secrets: it names environment variables as ``${NAME}``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

os.environ.setdefault("FEAST_USAGE", "False")  # read when feast is imported: no telemetry

from feast import FeatureStore, FeatureView

CONFIG = "FEAST_FS_YAML_FILE_PATH"
"""Feast's own variable."""


def check_config(store: Path) -> Path:
    """The file that Feast will read for a store folder.

    Raises:
        ValueError: it names environment variables that are not set; Feast would take their names for values.
    """
    file = Path(os.environ.get(CONFIG) or Path(store) / "feature_store.yaml")
    named = re.findall(r"^[^#\n]*\$\{(\w+)\}", file.read_text(), re.MULTILINE)
    if absent := [name for name in named if not os.environ.get(name)]:
        raise ValueError(f"{file} needs the environment variables {', '.join(absent)}, which are not set")
    return file


def open_store(store: Path) -> FeatureStore:
    """The store in a folder that `feature_repo.retrieval.apply` made.

    Raises:
        FileNotFoundError: the folder holds no applied store.
        ValueError: see `check_config`.
    """
    absent = [name for name in ("feature_store.yaml", "registry.db") if not (Path(store) / name).is_file()]
    if absent:
        raise FileNotFoundError(f"{store} is no feature store: {', '.join(absent)} missing; run apply(tables, store)")
    check_config(store)
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
