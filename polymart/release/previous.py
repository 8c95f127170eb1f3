"""The release that a rollback would return an environment to."""

from __future__ import annotations

from pathlib import Path

from polymart.release.champion import fetch_champion
from polymart.release.history import previous_release
from polymart.release.promotion import history, released_manifest


def fetch_previous(repository: str, environment: str, tracking_uri: str, out: Path) -> Path:
    """Fetch its checkpoint, checked against its manifest; returns the checkpoint's folder.

    Args:
        repository: deployment repository.
        environment: lower-case name, e.g. ``staging``.
        tracking_uri: of the MLflow server.
        out: folder, replaced whole.

    Raises:
        ReleaseError: there is no earlier release, or its checkpoint is gone or changed.
    """
    name = previous_release(history(repository, environment), environment)
    fetch_champion(released_manifest(repository, name), tracking_uri, out)
    return out / "checkpoint"
