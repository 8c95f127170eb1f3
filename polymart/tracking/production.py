"""Which model version served when, in which environment: the deployment repository's history, told by the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlflow.tracking import MlflowClient

from polymart.errors import ReleaseError
from polymart.tracking.server import existing_registry, refusals, shown
from polymart.tracking.versions import find_version

CHAMPION = "champion"


@dataclass(frozen=True)
class Period:
    """A time for which an environment ran a release."""

    version: str
    """``<model>/<number>``; empty where the release was not registered."""
    since: datetime
    until: datetime | None
    """None while it runs."""
    action: str
    commit: str
    """Of the deployment repository."""

    def __str__(self) -> str:
        until = f"{self.until:%Y-%m-%d %H:%M}" if self.until else "now"
        return f"{self.since:%Y-%m-%d %H:%M} to {until} UTC ({self.action} {self.commit[:12]})"


def record_production(uri: str, environment: str, periods: Sequence[Period], files: Mapping[str, str]) -> list[str]:
    """Make the registry say what the deployment repository says; a second call changes nothing.

    Each version gets the tag ``served.<environment>`` with its periods. The alias ``champion`` moves to the version
    that ``environment`` runs now, and so does ``champion-<environment>``, which no other environment moves.

    Args:
        uri: tracking URI.
        environment: whose history it is.
        periods: newest first.
        files: name to text of what the running version's run is to hold, e.g. the model card.

    Returns:
        Versions of the history that the registry holds no more.

    Raises:
        ReleaseError: the registry cannot be reached, or does not hold the version that runs now.
    """
    with refusals(uri, "the production history", "the deployment repository is as it was"):
        client = existing_registry(uri)
        gone = [version for version in _served(periods) if not _tell(client, environment, periods, version)]
        if periods and periods[0].version in gone:
            raise ReleaseError(
                f"the registry at {shown(uri)} holds no model version {periods[0].version}, which {environment} runs",
                remedy="check that POLYMART_MLFLOW_URI names the registry that the release was registered in",
            )
        _move_aliases(client, environment, periods)
        if periods and periods[0].version:
            _keep_files(client, periods[0].version, files)
    return gone


def _served(periods: Sequence[Period]) -> list[str]:
    return sorted({period.version for period in periods if period.version})


def _tell(client: MlflowClient, environment: str, periods: Sequence[Period], version: str) -> bool:
    """Tag a version with its periods; False where the registry does not hold it."""
    found = find_version(client, version)
    if found is None:
        return False
    served = "; ".join(str(period) for period in periods if period.version == version)
    client.set_model_version_tag(found.name, found.version, f"served.{environment}", served)
    return True


def _move_aliases(client: MlflowClient, environment: str, periods: Sequence[Period]) -> None:
    own = f"{CHAMPION}-{environment}"
    current, _, number = periods[0].version.rpartition("/") if periods else ("", "", "")
    for model in {version.rpartition("/")[0] for version in _served(periods)}:
        if model == current:
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
