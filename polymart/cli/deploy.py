"""``polymart deploy``: render and check manifests, roll back, show what ran."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="deploy", help="Render and check Kubernetes manifests, roll back, show what ran.", no_args_is_help=True
)

Overlay = Annotated[Path, typer.Argument(help="A kustomization, e.g. k8s/overlays/local.")]
Environment = Annotated[str, typer.Option(help="Environment, e.g. local or staging.")]
Repository = Annotated[str, typer.Option(help="Deployment repository; default POLYMART_DEPLOY_REPO.")]


@app.command("render")
def render_command(overlay: Overlay) -> None:
    """Print the documents that an overlay stands for; touches no cluster."""
    from polymart.config import Settings
    from polymart.release.manifests import find_kubectl, render_text

    typer.echo(render_text(overlay, find_kubectl(Settings())), nl=False)


@app.command("validate")
def validate_command(
    overlays: Annotated[list[Path], typer.Argument(help="Kustomizations that run side by side.")],
    crd_schemas: Annotated[
        Path | None, typer.Option(help="Folder with the schemas of custom resources; without it their kinds fail.")
    ] = None,
) -> None:
    """Check every document of overlays against the strict schema of its kind and against the policies."""
    from polymart.config import Settings
    from polymart.release.manifests import KUBERNETES, find_kubectl, validate_overlays
    from polymart.release.policies import POLICIES

    documents = validate_overlays(overlays, find_kubectl(Settings()), crd_schemas)
    typer.echo(
        f"{', '.join(map(str, overlays))}: {len(documents)} documents fit Kubernetes {KUBERNETES} "
        f"and keep all {len(POLICIES)} policies"
    )


@app.command("diff")
def diff_command(
    overlay: Overlay,
    against: Annotated[
        Path, typer.Argument(help="Another overlay, or a file with what was rendered or exported before.")
    ],
) -> None:
    """Show what changes from ``against`` to ``overlay``, object by object; touches no cluster.

    Exit status: 0 where nothing differs, 1 where something does.
    """
    from polymart.config import Settings
    from polymart.release.differences import differences, documents_at
    from polymart.release.manifests import find_kubectl

    kubectl = find_kubectl(Settings())
    lines = list(differences(documents_at(against, kubectl), documents_at(overlay, kubectl)))
    typer.echo("\n".join(lines) or "nothing differs")
    raise typer.Exit(bool(lines))


@app.command("rollback")
def rollback_command(
    environment: Environment,
    to: Annotated[str | None, typer.Option(help="An earlier release; default: the one before the current.")] = None,
    repository: Repository = "",
) -> None:
    """Return an environment to an earlier release by one commit."""
    from polymart.config import Settings
    from polymart.release.production import follow_with_registry
    from polymart.release.promotion import rollback_release

    settings = Settings()
    repository = repository or settings.deployment_repository
    done = rollback_release(repository, environment, to)
    if done.changed:
        typer.echo(f"{environment}: {done.previous} -> {done.release} (commit {done.commit[:12]})")
    else:
        typer.echo(f"{environment} already runs {done.release}; nothing to do")
    if warning := follow_with_registry(repository, environment, settings.tracking_uri):
        typer.echo(f"warning: {warning}", err=True)


@app.command("record")
def record_command(environment: Environment = "local", repository: Repository = "") -> None:
    """Make the model registry say what an environment ran and runs; a second call changes nothing."""
    from polymart.config import Settings
    from polymart.release.production import record_history

    settings = Settings()
    gone = record_history(repository or settings.deployment_repository, environment, settings.tracking_uri)
    typer.echo(f"the model registry says what {environment} ran and runs")
    for version in gone:
        typer.echo(f"  it holds {version} no more")


@app.command("history")
def history_command(environment: Environment = "local", repository: Repository = "") -> None:
    """Show what an environment ran, newest first."""
    from rich.table import Table

    from polymart.cli.console import console
    from polymart.config import Settings
    from polymart.release.promotion import history

    past = history(repository or Settings().deployment_repository, environment)
    if not past:
        typer.echo(f"{environment} has run no release yet")
        return
    table = Table("release, model version", "action, committed (UTC)", "by", "verdict, override", "commit")
    for column in table.columns:
        column.overflow = "fold"  # a name that was cut off cannot be copied
    for deployment in past:
        when = f"{deployment.at:%Y-%m-%d %H:%M}"
        table.add_row(
            f"{deployment.release}\n{deployment.model_version}", f"{deployment.action}\n{when}", deployment.author,
            f"{deployment.overall}\n{deployment.override}", deployment.commit[:12],
        )  # fmt: skip
    console().print(table)
