"""Records a run of the training pipeline and registers its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from polymart.config import Suite
from polymart.data.example_index import read_examples_index
from polymart.evaluation.records import Evaluation, Rival, TaskEvaluation, Verdict
from polymart.files import read_json
from polymart.tracking.facts import version_tags
from polymart.tracking.server import SQLITE, refusals, sqlite_file

CHALLENGER = "challenger"


def register_run(
    *,
    uri: str,
    suite: Suite,
    checkpoint: Path,
    evaluation: Path,
    verdict: Path,
    log: Path,
    examples: Path,
    tags: Mapping[str, str],
) -> str:
    """Record parameters, curves, evaluation and verdict as one MLflow run and register its checkpoint.

    The version gets the alias ``challenger``; ``champion`` moves when it is promoted, see `record_production`.

    Args:
        uri: tracking URI, e.g. ``sqlite:////path/mlflow.db`` or a server's address.
        suite: names the experiment (``polymart-<suite>``) and the registered model (``polymart-<suite>``).
        checkpoint, evaluation, verdict, log, examples: as written by the pipeline's steps.
        tags: data and code versions and the like, beside those of `polymart.tracking.facts`.

    Returns:
        The model version, ``<model>/<number>``.

    Raises:
        ReleaseError: the tracking server cannot be reached or refuses.
    """
    judged, measured, curves = Verdict.read(verdict), Evaluation.read(evaluation), read_json(log)
    found = version_tags(suite, measured, judged, curves, read_examples_index(examples))
    known = {name: value for name, value in tags.items() if value} | found
    with refusals(uri, "the run", "nothing was registered"):
        return _register(uri, suite, checkpoint, measured, judged, curves, known)


def _register(
    uri: str,
    suite: Suite,
    checkpoint: Path,
    evaluation: Evaluation,
    verdict: Verdict,
    log: dict[str, Any],
    tags: dict[str, str],
) -> str:
    artifacts = _make_home(uri)
    mlflow.set_tracking_uri(uri)
    client, name = MlflowClient(uri), f"polymart-{suite.name}"
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name, artifact_location=artifacts)
    with mlflow.start_run(experiment_id=experiment, tags=tags) as run:
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
    version = client.create_model_version(name, source, run_id, tags=tags)
    client.set_registered_model_alias(name, CHALLENGER, version.version)
    return f"{name}/{version.version}"


def _make_home(uri: str) -> str | None:
    """The artifact folder beside a SQLite store, made where missing; None lets a server choose."""
    if not uri.startswith(SQLITE):
        return None
    folder = sqlite_file(uri).parent / "mlartifacts"
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
        numbers |= {f"{prefix}_over_{name}": rival.gain.value for name, rival in _rivals(task).items()}
    return [Metric(name, value, 0, 0) for name, value in numbers.items()]


def _rivals(task: TaskEvaluation) -> dict[str, Rival]:
    """The other models that the task was compared with."""
    rivals = {"champion": task.champion, "single_task": task.single_task}
    return {name: rival for name, rival in rivals.items() if rival is not None}
