"""``polymart lineage``: from one prediction back to commit, data and feature service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from polymart.release.lineage import Lineage
    from serving.log.reading import LoggedPrediction

app = typer.Typer()

WIDTH = 17
UNKNOWN = "unknown"


@app.command()
def lineage(
    prediction: Annotated[str, typer.Argument(help="The prediction_id that the service answered with, or its start.")],
    log: Annotated[Path | None, typer.Option(help="Folder of the log; default POLYMART_PREDICTION_LOG.")] = None,
    environment: Annotated[str, typer.Option(help="Environment that answered.")] = "local",
    repository: Annotated[str, typer.Option(help="Deployment repository; default POLYMART_DEPLOY_REPO.")] = "",
) -> None:
    """Lead a prediction back to release, commit, registered version, code, data and feature service.

    Exit status: 0 complete, 1 the registry could not tell its part.
    """
    from polymart.config import Settings
    from polymart.release.lineage import trace
    from serving.log.reading import find_prediction, log_folder

    settings, found = Settings(), find_prediction(log or log_folder(), prediction)
    traced = trace(
        repository or settings.deployment_repository, environment, settings.tracking_uri,
        checkpoint=found.checkpoint, at=found.at,
    )  # fmt: skip
    for name, value in _lines(found, traced, environment):
        typer.echo(f"{name:<{WIDTH}} {value}")
    if traced.gap:
        typer.echo(f"warning: the registry tells nothing: {traced.gap}", err=True)
        raise typer.Exit(1)


def _lines(found: LoggedPrediction, traced: Lineage, environment: str) -> list[tuple[str, str]]:
    deployment, manifest, tags = traced.deployment, traced.manifest, traced.tags
    lines = [
        ("prediction", f"{found.prediction_id}, {found.at:%Y-%m-%d %H:%M:%S} UTC"),
        ("checkpoint", found.checkpoint + (f", variant {found.variant}" if found.variant else "")),
        ("release", f"{manifest.release} ({manifest.overall})"),
        ("deployed", f"{environment}, {deployment.at:%Y-%m-%d %H:%M:%S} UTC, {deployment.action} by "
                     f"{deployment.author}, commit {deployment.commit}"),
        ("model version", f"{manifest.model_version or UNKNOWN}{_called(traced.aliases)}"),
        ("registry run", traced.run or UNKNOWN),
        ("code commit", manifest.code_commit or tags.get("code_commit") or UNKNOWN),
        ("code version", manifest.code_version),
        ("data version", manifest.data_version),
    ]  # fmt: skip
    if manifest.override:
        lines.insert(3, ("override", manifest.override))
    if deployment.at > found.at:
        lines.insert(4, ("", "the answer is older than this commit: the service was not started by a release"))
    for task, rows in found.rows.items():
        service = tags.get(f"feature_service.{task}")
        tables = tags.get(f"feature_tables.{task}")
        lines += [
            (f"task {task}", f"{rows} logged row{'s' if rows > 1 else ''}"),
            ("  examples", tags.get(f"examples.{task}", UNKNOWN)),
            ("  feature service", f"{service}{f' ({tables})' if tables else ''}" if service else _none(traced)),
        ]
    return lines


def _called(aliases: tuple[str, ...]) -> str:
    return f", now {', '.join(aliases)}" if aliases else ""


def _none(traced: Lineage) -> str:
    return UNKNOWN if traced.gap else "none: the task reads no features"
