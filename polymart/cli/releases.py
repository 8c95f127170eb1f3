"""What `polymart deploy` does with releases: promote, roll back, tell what ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from polymart.config import Settings
    from polymart.release.promotion import Promotion

Environment = Annotated[str, typer.Option(help="Environment, e.g. local or staging.")]
Repository = Annotated[str, typer.Option(help="Deployment repository; default POLYMART_DEPLOY_REPO.")]


def promote(
    release: Annotated[str, typer.Argument(help="A release that the deployment repository holds.")],
    environment: Environment,
    merge_request: Annotated[
        bool, typer.Option("--merge-request", help="Commit to a branch; POLYMART_REVIEWED names where this is a must.")
    ] = False,
    repository: Repository = "",
) -> None:
    """Make an environment run a release that another one runs already, by one commit."""
    from polymart.config import Settings
    from polymart.release.promotion import promote_released
    from polymart.release.signing import trusted_keys

    settings = Settings()
    done = promote_released(
        repository or settings.deployment_repository, release, environment, keys=trusted_keys(settings),
        merge_request=merge_request or environment in settings.reviewed_environments,
    )  # fmt: skip
    _tell(done, settings, repository)


def rollback(
    environment: Environment = "local",
    to: Annotated[str | None, typer.Option(help="An earlier release; default: the one before the current.")] = None,
    merge_request: Annotated[
        bool, typer.Option("--merge-request", help="Commit to a branch, where nobody may push to the main one.")
    ] = False,
    repository: Repository = "",
) -> None:
    """Return an environment to an earlier release by one commit."""
    from polymart.config import Settings
    from polymart.release.promotion import rollback_release
    from polymart.release.signing import trusted_keys

    settings = Settings()
    done = rollback_release(
        repository or settings.deployment_repository, environment, to, keys=trusted_keys(settings),
        merge_request=merge_request,
    )  # fmt: skip
    _tell(done, settings, repository)


def _tell(done: Promotion, settings: Settings, repository: str) -> None:
    """Say what was committed; where the environment runs it now, the registry is told, too."""
    if done.branch:
        typer.echo(f"{done.environment}: {done.release} waits in branch {done.branch} to be merged (not running yet)")
        typer.echo(f"text of the merge request:\n\n{done.text}" if done.changed else "it waited there before")
        return
    if done.changed:
        typer.echo(f"{done.environment}: {done.previous or 'nothing'} -> {done.release} (commit {done.commit[:12]})")
    else:
        typer.echo(f"{done.environment} already runs {done.release}; nothing to do")
    from polymart.release.production import follow_with_registry

    uri = settings.tracking_uri
    if warning := follow_with_registry(repository or settings.deployment_repository, done.environment, uri):
        typer.echo(f"warning: {warning}", err=True)


def record(environment: Environment = "local", repository: Repository = "") -> None:
    """Make the model registry say what an environment ran and runs; a second call changes nothing."""
    from polymart.config import Settings
    from polymart.release.production import record_history

    settings = Settings()
    gone = record_history(repository or settings.deployment_repository, environment, settings.tracking_uri)
    typer.echo(f"the model registry says what {environment} ran and runs")
    for version in gone:
        typer.echo(f"  it holds {version} no more")


def history(environment: Environment = "local", repository: Repository = "") -> None:
    """Show what an environment ran, newest first, and who signed it where POLYMART_RELEASE_KEYS is set."""
    from rich.table import Table

    from polymart.cli.console import console
    from polymart.config import Settings
    from polymart.release.promotion import history
    from polymart.release.signing import trusted_keys

    settings = Settings()
    past = history(
        repository or settings.deployment_repository, environment,
        keys=trusted_keys(settings), signers=settings.commit_signers,
    )  # fmt: skip
    if not past:
        typer.echo(f"{environment} has run no release yet")
        return
    table = Table("release, model version", "action, committed (UTC)", "by", "verdict, override", "commit")
    for column in table.columns:
        column.overflow = "fold"  # a name that was cut off cannot be copied
    for one in past:
        table.add_row(
            "\n".join(filter(None, (one.release, one.model_version, one.standing))),
            f"{one.action}\n{one.at:%Y-%m-%d %H:%M}", one.author, f"{one.overall}\n{one.override}",
            "\n".join(filter(None, (one.commit[:12], one.commit_signature))),
        )  # fmt: skip
    console().print(table)
