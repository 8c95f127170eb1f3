"""``polymart deploy``: render and check manifests, promote, roll back, show what ran."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polymart.cli.releases import history, promote, record, rollback

app = typer.Typer(
    name="deploy",
    help="Render and check Kubernetes manifests, promote, roll back, show what ran.",
    no_args_is_help=True,
)

Overlay = Annotated[Path, typer.Argument(help="A kustomization, e.g. k8s/overlays/local.")]


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
    from polymart.release.rendered import check_releases
    from polymart.release.signing import trusted_keys

    documents = validate_overlays(overlays, find_kubectl(Settings()), crd_schemas)
    typer.echo(
        f"{', '.join(map(str, overlays))}: {len(documents)} documents fit Kubernetes {KUBERNETES} "
        f"and keep all {len(POLICIES)} policies"
    )
    for line in check_releases(documents, trusted_keys(Settings())):
        typer.echo(f"  {line}")


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


for command in (promote, rollback, record, history):
    app.command()(command)
