"""Which model version served when, in which environment: the deployment repository's history, told by the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from mlflow.tracking import MlflowClient

from polymart.errors import ReleaseError
from polymart.release.history import Deployment
from polymart.tracking.server import existing_registry, refusals, shown
from polymart.tracking.versions import find_version

CHAMPION = "champion"


def record_production(uri: str, environment: str, past: Sequence[Deployment], files: Mapping[str, str]) -> list[str]:
    """Make the registry say what the deployment repository says; a second call changes nothing.

    Each version gets the tag ``served.<environment>``: from when to when, by which commit. The alias ``champion``
    moves to the version that ``environment`` runs now, and so does ``champion-<environment>``, which no other
    environment moves.

    Args:
        uri: tracking URI.
        environment: whose history it is.
        past: newest first, see `polymart.release.history.read_history`.
        files: name to text of what the run of the version that serves is to hold, e.g. the model card.

    Returns:
        Versions of the history that the registry holds no more.

    Raises:
        ReleaseError: the registry cannot be reached, or does not hold the version that runs now.
    """
    current = past[0].model_version if past else ""
    with refusals(uri, "the production history", "the deployment repository is as it was"):
        client = existing_registry(uri)
        gone = [version for version in _versions(past) if not _tell(client, environment, past, version)]
        if current in gone:
            raise ReleaseError(
                f"the registry at {shown(uri)} holds no model version {current}, which {environment} runs",
                remedy="check that POLYMART_MLFLOW_URI names the registry that the release was registered in",
            )
        _move_aliases(client, environment, current, {version.rpartition("/")[0] for version in _versions(past)})
        if current:
            _keep_files(client, current, files)
    return gone


def _versions(past: Sequence[Deployment]) -> list[str]:
    return sorted({deployment.model_version for deployment in past if deployment.model_version})


def _tell(client: MlflowClient, environment: str, past: Sequence[Deployment], version: str) -> bool:
    """Tag a version with the times it served; False where the registry does not hold it."""
    found = find_version(client, version)
    if found is None:
        return False
    times = ["now", *(f"{deployment.at:%Y-%m-%dT%H:%M:%SZ}" for deployment in past)]
    served = [
        f"{since} to {until} ({deployment.action} {deployment.commit[:12]})"
        for deployment, (until, since) in zip(past, pairwise(times), strict=True)  # what came later ended it
        if deployment.model_version == version
    ]
    client.set_model_version_tag(found.name, found.version, f"served.{environment}", "; ".join(served))
    return True


def _move_aliases(client: MlflowClient, environment: str, current: str, models: set[str]) -> None:
    own = f"{CHAMPION}-{environment}"
    name, _, number = current.rpartition("/")
    for model in models:
        if model == name:
            client.set_registered_model_alias(model, CHAMPION, number)
            client.set_registered_model_alias(model, own, number)
        elif client.search_registered_models(f"name = '{model}'"):
            client.delete_registered_model_alias(model, own)  # the environment runs another suite's model now


def _keep_files(client: MlflowClient, version: str, files: Mapping[str, str]) -> None:
    found = find_version(client, version)
    if found is None or not found.run_id:
        return
    kept = {artifact.path for artifact in client.list_artifacts(found.run_id)}
    for name, text in files.items():
        if name not in kept:
            client.log_text(found.run_id, text, name)
