"""Writes the run page of a finished job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polymart.cli.job import Job
from polymart.config import Suite
from polymart.errors import PolymartError
from polymart.evaluation.page import render_page
from polymart.files import atomic_path, read_json
from polymart.release.promotion import released_manifest


def write_page(job: Job, outputs: Mapping[str, Any], versions: Mapping[str, str]) -> None:
    """Write ``index.html`` into the job's folder.

    Args:
        outputs: of the training pipeline.
        versions: of data and code.
    """
    text = render_page(
        job.suite,
        job.evaluation,
        job.verdict,
        log=read_json(outputs["log"].path),
        tables=read_json(Path(outputs["tables"].path) / "tables.json"),
        release=job.release,
        replaced_by=job.replaced_by,
        drift={"href": job.drift.as_uri(), "action": job.action} if job.drift else None,
        champion_suite=_champion_suite(job.settings.deployment_repository, job.evaluation.champion),
        plot=Path(outputs["plot"].path).read_bytes(),
        facts={**versions, "seconds": f"{job.total_s:.0f}", "peak memory": f"{job.peak_memory_gb:.1f} GB"},
        steps={step: (job.states[step], job.seconds[step]) for step in job.seconds},
    )
    with atomic_path(job.folder / "index.html") as path:
        path.write_text(text)


def _champion_suite(repository: str, release: str) -> Suite | None:
    """What the champion was trained by; None where there is none, or its files are out of reach or older than us."""
    if not release:
        return None
    try:
        checkpoint = Path(released_manifest(repository, release).locations.get("checkpoint", ""))
        return Suite.from_json((checkpoint / "suite.json").read_text(), origin=str(checkpoint))
    except (PolymartError, OSError):
        return None
