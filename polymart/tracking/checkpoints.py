"""Brings a registered checkpoint back."""

from __future__ import annotations

from pathlib import Path

import mlflow

from polymart.tracking.server import refusals
from polymart.tracking.versions import read_version


def download_checkpoint(uri: str, version: str, folder: Path) -> Path:
    """Download the checkpoint of the model version ``<model>/<number>`` into ``folder`` and return where it lies.

    Raises:
        ReleaseError: the registry cannot be reached, or holds no such version or no files of it.
    """
    run = read_version(uri, version).run_id
    with refusals(uri, f"the checkpoint of {version}", "nothing was changed"):
        return Path(
            mlflow.artifacts.download_artifacts(
                run_id=run, artifact_path="checkpoint", dst_path=str(folder), tracking_uri=uri
            )
        )
