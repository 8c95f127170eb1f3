"""Reads model versions back."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from polymart.errors import ReleaseError
from polymart.tracking.server import existing_registry, refusals, shown


@dataclass(frozen=True)
class RegisteredVersion:
    """A model version as the registry knows it."""

    version: str
    """``<model>/<number>``."""
    run_id: str
    aliases: tuple[str, ...]
    tags: dict[str, str]


def read_version(uri: str, version: str) -> RegisteredVersion:
    """The model version ``<model>/<number>``.

    Raises:
        ReleaseError: the registry cannot be reached, or holds no such version.
    """
    with refusals(uri, f"to tell of {version}", "nothing was changed"):
        found = find_version(existing_registry(uri), version)
    if found is None:
        raise ReleaseError(
            f"the registry at {shown(uri)} holds no model version {version}",
            remedy="it was deleted, or POLYMART_MLFLOW_URI names another registry",
        )
    return RegisteredVersion(version, found.run_id or "", tuple(sorted(found.aliases)), dict(found.tags))


def find_version(client: MlflowClient, version: str) -> ModelVersion | None:
    """MLflow's record of ``<model>/<number>``; None where it holds none."""
    model, _, number = version.rpartition("/")
    try:
        return client.get_model_version(model, number)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
