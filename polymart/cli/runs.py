"""``polymart runs`` and ``polymart cancel``: what runs on Kubeflow Pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from polymart.cli.remote import ClusterFile, Host, cluster_of, connect

if TYPE_CHECKING:
    from pipelines.client import Run, Server

app = typer.Typer()
runs_app = typer.Typer(name="runs", help="Runs on Kubeflow Pipelines: list them, wait for one.")
app.add_typer(runs_app)

RunId = Annotated[str, typer.Argument(help="Id of the run; `polymart runs` shows it.")]


@runs_app.callback(invoke_without_command=True)
def runs_command(
    context: typer.Context,
    host: Host = "",
    cluster: ClusterFile = None,
    name: Annotated[str, typer.Option(help="Part of the runs' names, e.g. quick-training.")] = "",
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=1000)] = 20,
) -> None:
    """List runs, newest first."""
    if context.invoked_subcommand:
        return
    from rich.table import Table

    from pipelines.client import find_runs
    from polymart.cli.console import console

    found = find_runs(connect(cluster_of(cluster), host), name, limit=limit)
    if not found:
        typer.echo("no run yet")
        return
    table = Table("name", "state", "created (UTC)", "id")
    for column in table.columns:
        column.overflow = "fold"  # a name that was cut off cannot be copied
    for run in found:
        table.add_row(run.name, run.state, f"{run.created_at:%Y-%m-%d %H:%M}", run.run_id)
    console().print(table)


@runs_app.command("wait")
def wait_command(
    run: RunId,
    host: Host = "",
    cluster: ClusterFile = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most; the run goes on after it.")] = 86_400,
) -> None:
    """Wait for the end of a run; exit status 1 if it is not success. May be cut off and repeated."""
    wait_and_tell(connect(cluster_of(cluster), host), run, timeout)


@app.command("cancel")
def cancel_command(run: RunId, host: Host = "", cluster: ClusterFile = None) -> None:
    """End a run; one that has ended stays as it is."""
    from pipelines.client import cancel_run

    before = cancel_run(connect(cluster_of(cluster), host), run)
    typer.echo(f"{before.name}: {'is being cancelled' if before.in_flight else f'is {before.state}; nothing to do'}")


def wait_and_tell(server: Server, run_id: str, timeout_s: float) -> None:
    """Print every change of a run's state until it ends; exit status 1 if it did not end well."""
    from pipelines.client import wait_run

    def tell(run: Run) -> None:
        typer.echo(f"{run.name}: {run.state}")

    run = wait_run(server, run_id, timeout_s=timeout_s, listen=tell)
    typer.echo(run.url)
    if not run.succeeded:
        if run.error:
            typer.echo(run.error, err=True)
        raise typer.Exit(1)
