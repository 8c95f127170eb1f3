"""Where monitoring's retrainings run: on Kubeflow Pipelines, or in this process where no server is named."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring.records import Run
from monitoring.retraining import Found, State
from pipelines.client import NoAnswer, Order, Refused, Server, find_runs, get_run, submit
from pipelines.client import Run as KubeflowRun
from pipelines.compiling import compile_pipeline, load_pipeline
from pipelines.local import Event, StepFailed, run_local
from polymart.config import Settings, Suite
from polymart.errors import PolymartError
from polymart.version import code_version


@dataclass(frozen=True)
class Training:
    """What a retraining runs: the released suite, promoted to the environment that is watched."""

    suite: Suite
    settings: Settings
    environment: str
    repository: str

    def arguments(self, run: Run) -> dict[str, Any]:
        """Arguments of the training pipeline; the data's digest makes every step read them anew."""
        return {
            "suite": self.suite.to_json(),
            "data_version": run.data_digest,
            "code_version": code_version(),
            "environment": self.environment,
        }


@dataclass(frozen=True)
class KubeflowRuns:
    """Retrainings as runs of Kubeflow Pipelines; their pods know the registry and the deployment repository."""

    training: Training
    server: Server

    def find(self, run: Run) -> Found | None:
        """The run of this name; the time between a submission and its line in the ledger is bridged by the name."""
        if run.run_id:
            return self._look(run.run_id)
        known = find_runs(self.server, run.name, limit=1)
        return _found(known[0]) if known else None

    def _look(self, run_id: str) -> Found:
        try:
            return _found(get_run(self.server, run_id))
        except (NoAnswer, Refused):
            raise
        except PolymartError as error:  # deleted: it will never end otherwise
            return Found(run_id, "failed", "DELETED", error=error.message)

    def start(self, run: Run) -> Found:
        """Submit it, unless a run of the same suite, code and data works or has succeeded: then it is that one."""
        with tempfile.TemporaryDirectory(prefix="polymart-retrain-") as folder:
            cluster, file = self.server.cluster, Path(folder) / "training.yaml"
            package = compile_pipeline("training", file, cluster=cluster)
            suite, arguments = self.training.suite.name, self.training.arguments(run)
            order = Order("training", suite, package, cluster.experiment, arguments)
            started, _ = submit(self.server, order, name=f"{order.family}{order.key}-{run.name}")
        return _found(started)


def _found(run: KubeflowRun) -> Found:
    ended: State = "succeeded" if run.succeeded else "failed"
    return Found(
        run.run_id, "running" if run.in_flight or run.state == "CANCELING" else ended, run.state, run.url, run.error
    )


@dataclass(frozen=True)
class LocalRuns:
    """Retrainings inside this process; `start` returns at their end."""

    training: Training
    listen: Callable[[Event], None]

    def find(self, run: Run) -> None:
        """None: who asks holds the lock, so the process that ran it is dead. Begun again, it reuses what was done."""

    def start(self, run: Run) -> Found:
        """Run it; a failed step is a failed run."""
        settings = self.training.settings
        work = settings.work_dir.resolve()
        log = work / "runs" / run.name / "run.log"
        told = {"tracking_uri": settings.tracking_uri, "repository": self.training.repository}
        pipeline, arguments = load_pipeline("training"), self.training.arguments(run) | told
        try:
            run_local(pipeline, arguments, root=work / "pipelines", log=log, listen=self.listen)
        except StepFailed as error:
            return Found(run.name, "failed", "FAILED", str(log), str(error))
        return Found(run.name, "succeeded", "SUCCEEDED", str(log))
