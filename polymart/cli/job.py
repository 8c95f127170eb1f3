"""The main job: training pipeline, monitoring pipeline, run page."""

from __future__ import annotations

import resource
import shlex
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from polymart.config import Settings, Suite
from polymart.evaluation.records import Evaluation, Override, Verdict
from polymart.files import storage_errors


@dataclass(frozen=True)
class Job:
    """A finished run."""

    suite: Suite
    suite_file: Path
    settings: Settings
    folder: Path
    """``<work>/runs/<suite>-<time>``: log, run page, drift report."""
    evaluation: Evaluation
    verdict: Verdict
    """The final one."""
    release: str = ""
    """Name of this run's release, if the environment ``local`` runs it; empty if a gate stayed shut."""
    replaced_by: str = ""
    """The release that ``local`` runs instead: an unchanged run does not promote again over a later decision."""
    drift: Path | None = None
    action: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    total_s: float = 0.0
    peak_memory_gb: float = 0.0
    """Largest resident size among the steps' processes."""


def run_job(
    suite: Suite,
    suite_file: Path,
    settings: Settings,
    *,
    cache: bool = True,
    monitor: bool = True,
    override: Override | None = None,
) -> Job:
    """Run the training pipeline and a monitoring pass, write the run page.

    Args:
        suite: what is trained.
        suite_file: where it was read from; a retraining names it.
        settings: folders and addresses.
        cache: reuse steps whose inputs are unchanged.
        monitor: watch the months after training.
        override: by whom and why a candidate that does not pass is released.

    Raises:
        PolymartError: a step failed; the message is the step's own.
    """
    from polymart.cli.run_page import write_page
    from polymart.cli.steps import StepView
    from polymart.data.sources import suite_data_version
    from polymart.evaluation.checks import check_suite
    from polymart.version import code_version

    check_suite(suite)
    started, work = time.monotonic(), settings.work_dir.resolve()
    folder = work / "runs" / f"{suite.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    versions = {"data_version": suite_data_version(suite, settings), "code_version": code_version()}
    with storage_errors(work), StepView() as view:
        runner = partial(_run, root=work / "pipelines", log=folder / "run.log", listen=view, cache=cache)
        outputs = runner("training", _training_arguments(suite, settings, versions, override))
        watched = runner("monitoring", _monitoring_arguments(suite, suite_file, outputs, versions)) if monitor else {}
    evaluation = Evaluation.read(Path(outputs["evaluation"].path))
    verdict = Verdict.read(Path(outputs["verdict"]))
    job = Job(
        suite=suite,
        suite_file=suite_file,
        settings=settings,
        folder=folder,
        evaluation=evaluation,
        verdict=verdict,
        **(_releases(settings, evaluation.checkpoint) if verdict.may_release else {}),
        drift=Path(watched["drift"]) / "report.html" if watched else None,
        action=str(watched.get("action", "")),
        seconds=view.seconds,
        states=view.states,
        total_s=time.monotonic() - started,
        peak_memory_gb=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6,
    )
    write_page(job, outputs, versions)
    return job


def _run(name: str, arguments: dict[str, Any], **where: Any) -> dict[str, Any]:
    from pipelines.compiling import load_pipeline
    from pipelines.local import run_local

    return run_local(load_pipeline(name), arguments, **where)


def _training_arguments(
    suite: Suite, settings: Settings, versions: dict[str, str], override: Override | None
) -> dict[str, Any]:
    return {
        "suite": suite.to_json(),
        **versions,
        "tracking_uri": settings.tracking_uri,
        "repository": settings.deployment_repository,
        "environment": "local",
        "override": str(override or ""),
    }


def _monitoring_arguments(
    suite: Suite, suite_file: Path, outputs: dict[str, Any], versions: dict[str, str]
) -> dict[str, Any]:
    return {
        "suite": suite.to_json(),
        "examples_uri": outputs["examples"].path,
        "predictions_uri": outputs["predictions"].path,
        "code_version": versions["code_version"],
        "submit_command": submit_command(suite_file),
    }


def submit_command(suite_file: Path) -> str:
    """The command that starts a retraining on a cluster."""
    return f"polymart submit training --suite {shlex.quote(str(suite_file))}"


def _releases(settings: Settings, checkpoint: str) -> dict[str, str]:
    """What the environment local runs: this run's release, or another one that was put there since."""
    from polymart.release.promotion import current_manifest

    current = current_manifest(settings.deployment_repository, "local")
    return {"release" if current.checkpoint_digest == checkpoint else "replaced_by": current.release}
