"""Where monitoring's retrainings run: on Kubeflow Pipelines, or in this process where no server is set."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring.records import Run
from monitoring.retraining import Found, Orchestrator, State
from pipelines.client import FINAL_STATES, Submission, submit
from pipelines.compiling import compile_pipeline, load_pipeline
from pipelines.local import Event, StepFailed, run_local
from pipelines.runs import find_run
from polymart.config import Settings, Suite
from polymart.errors import SettingError
from polymart.version import code_version

EXPERIMENT = "polymart-retraining"


@dataclass(frozen=True)
class Training:
    """What a retraining runs: the released suite, promoted to the environment that is watched."""

    suite: Suite
    settings: Settings
    environment: str
    repository: str

    def arguments(self, data_digest: str) -> dict[str, Any]:
        """Arguments of the training pipeline; the data's digest makes every step read them anew."""
        return {
            "suite": self.suite.to_json(),
            "data_version": data_digest,
            "code_version": code_version(),
            "tracking_uri": self.settings.tracking_uri,
            "repository": self.repository,
            "environment": self.environment,
        }


@dataclass(frozen=True)
class KubeflowRuns:
    """Retrainings as runs of Kubeflow Pipelines."""

    training: Training

    @property
    def _server(self) -> dict[str, Any]:
        return {"host": self.training.settings.kfp_host, "token_file": self.training.settings.kfp_token_file}

    def find(self, run: Run) -> Found | None:
        """The run of this name; one that was deleted after it began has failed."""
        found = find_run(run.name, run_id=run.run_id, **self._server)
        if found:
            return _found(found)
        return Found(run.run_id, "failed", "DELETED", error="the server does not know it any more") if run.run_id else None

    def start(self, run: Run) -> Found:
        """Submit it."""
        arguments = self.training.arguments(run.data_digest)
        with tempfile.TemporaryDirectory(prefix="polymart-retrain-") as folder:
            package = compile_pipeline("training", Path(folder) / "training.yaml")
            return _found(
                submit(package, experiment=EXPERIMENT, run_name=run.name, arguments=arguments, **self._server)
            )


def _found(run: Submission) -> Found:
    state: State = "succeeded" if run.succeeded else "failed" if run.state in FINAL_STATES else "running"
    return Found(run.run_id, state, run.state, run.url, run.error)


@dataclass(frozen=True)
class LocalRuns:
    """Retrainings inside this process; `start` returns at their end."""

    training: Training
    listen: Callable[[Event], None]

    def find(self, run: Run) -> None:
        """None: whoever asks holds the lock, so the process that ran it is dead; begun again, it reuses what was done."""

    def start(self, run: Run) -> Found:
        """Run it; a failed step is a failed run."""
        work = self.training.settings.work_dir.resolve()
        log = work / "runs" / run.name / "run.log"
        arguments = self.training.arguments(run.data_digest)
        try:
            run_local(load_pipeline("training"), arguments, root=work / "pipelines", log=log, listen=self.listen)
        except StepFailed as error:
            return Found(run.name, "failed", "FAILED", str(log), str(error))
        return Found(run.name, "succeeded", "SUCCEEDED", str(log))


def orchestrator(training: Training, listen: Callable[[Event], None]) -> Orchestrator:
    """Kubeflow Pipelines where ``POLYMART_KFP_HOST`` names a server, this process otherwise.

    Raises:
        SettingError: a server is named, but the deployment repository is a folder that its pods cannot reach.
    """
    if not training.settings.kfp_host:
        return LocalRuns(training, listen)
    if Path(training.repository).is_absolute() and not training.settings.deploy_repo:
        raise SettingError(
            f"a retraining on {training.settings.kfp_host} cannot promote to {training.repository}, a folder of this "
            "machine",
            remedy="set POLYMART_DEPLOY_REPO to the address of the deployment repository",
        )
    return KubeflowRuns(training)
