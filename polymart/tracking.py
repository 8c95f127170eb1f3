"""Runs and model versions in MLflow; the only module that imports mlflow."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Before the import: MLflow reads it once.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from polymart.config import Suite
from polymart.errors import ReleaseError
from polymart.evaluation.records import Evaluation, Verdict
from polymart.files import read_json


def register_run(
    *,
    uri: str,
    suite: Suite,
    checkpoint: Path,
    evaluation: Path,
    verdict: Path,
    log: Path,
    tags: Mapping[str, str],
) -> str:
    """Record parameters, curves, evaluation and verdict as one MLflow run and register its checkpoint.

    The version gets the alias ``challenger``; if the verdict passed, it also becomes ``champion``.

    Args:
        uri: tracking URI, e.g. ``sqlite:////path/mlflow.db`` or a server's address.
        suite: names the experiment (``polymart-<suite>``) and the registered model (``polymart-<suite>``).
        checkpoint, evaluation, verdict, log: as written by the pipeline's steps.
        tags: data and code versions and the like.

    Returns:
        The model version.

    Raises:
        ReleaseError: the tracking server cannot be reached or refuses.
    """
    try:
        return _register(
            uri, suite, checkpoint, Evaluation.read(evaluation), Verdict.read(verdict), read_json(log), tags
        )
    except (MlflowException, OSError) as error:
        raise ReleaseError(
            f"MLflow at {_shown(uri)} refused the run: {error}",
            remedy="check POLYMART_MLFLOW_URI and that the server runs; nothing was registered",
        ) from error


def _register(
    uri: str,
    suite: Suite,
    checkpoint: Path,
    evaluation: Evaluation,
    verdict: Verdict,
    log: dict[str, Any],
    tags: Mapping[str, str],
) -> str:
    artifacts = _make_home(uri)
    mlflow.set_tracking_uri(uri)
    client, name = MlflowClient(uri), f"polymart-{suite.name}"
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name, artifact_location=artifacts)
    with mlflow.start_run(
        experiment_id=experiment, tags={**tags, "suite": suite.digest, "checkpoint": evaluation.checkpoint}
    ) as run:
        mlflow.log_params(_parameters(suite))
        client.log_batch(run.info.run_id, metrics=[*_curves(log), *_results(evaluation)])
        mlflow.log_text(json.dumps(json.loads(suite.to_json()), indent=2), "suite.json")
        mlflow.log_dict(evaluation.model_dump(mode="json"), "evaluation.json")
        mlflow.log_dict(verdict.model_dump(mode="json"), "verdict.json")
        mlflow.log_dict(log, "training_log.json")
        mlflow.log_artifacts(str(checkpoint), "checkpoint")
        source, run_id = f"{run.info.artifact_uri}/checkpoint", run.info.run_id
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(
        name, source, run_id, tags={**tags, "checkpoint": evaluation.checkpoint, "verdict": verdict.overall}
    )
    client.set_registered_model_alias(name, "challenger", version.version)
    if verdict.passed:
        client.set_registered_model_alias(name, "champion", version.version)
    return str(version.version)


def _make_home(uri: str) -> str | None:
    """The artifact folder beside a SQLite store, made where missing; None lets a server choose."""
    if not uri.startswith("sqlite:///"):
        return None
    folder = Path(uri.removeprefix("sqlite:///")).parent / "mlartifacts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve().as_uri()


def _parameters(suite: Suite) -> dict[str, Any]:
    """Scalars only; the whole suite is an artifact of the run."""
    flat = {f"training.{key}": value for key, value in suite.training.model_dump().items()}
    flat |= {f"encoder.{key}": value for key, value in suite.encoder.model_dump().items()}
    return {**flat, "seed": suite.seed, "tasks": ",".join(task.name for task in suite.tasks)}


def _curves(log: Mapping[str, Any]) -> list[Metric]:
    curves = {"train_loss": log["loss"], "val_loss": log["validation"], **log["curves"]}
    return [
        Metric(f"{curve}_{task}", float(value), 0, int(row["step"]))
        for curve, rows in curves.items()
        for row in rows
        for task, value in row.items()
        if task != "step"
    ]


def _results(evaluation: Evaluation) -> list[Metric]:
    numbers: dict[str, float] = {}
    for task in evaluation.tasks:
        prefix = f"test_{task.task}_{task.metric}".replace("@", "_at_")
        numbers |= {
            prefix: task.score.value,
            f"{prefix}_low": task.score.low,
            f"{prefix}_high": task.score.high,
            f"{prefix}_floor": task.floor_score.value,
        }
    return [Metric(name, value, 0, 0) for name, value in numbers.items()]


def _shown(uri: str) -> str:
    """The address without credentials."""
    scheme, found, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else uri
