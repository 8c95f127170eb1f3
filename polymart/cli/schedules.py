"""``polymart schedule`` and ``polymart schedules``: runs at fixed times on Kubeflow Pipelines."""

from __future__ import annotations

from typing import Annotated

import typer

from polymart.cli.remote import (
    Arguments,
    ClusterFile,
    Experiment,
    Host,
    Image,
    Pipeline,
    SuiteFile,
    cluster_of,
    connect,
    order_of,
)

app = typer.Typer()
schedules_app = typer.Typer(name="schedules", help="Schedules on Kubeflow Pipelines: list, pause, resume, delete.")
app.add_typer(schedules_app)

Name = Annotated[str, typer.Argument(help="Name of the schedule: <suite>-<pipeline>.")]


@app.command("schedule")
def schedule_command(
    pipeline: Pipeline,
    suite: SuiteFile,
    cron: Annotated[str, typer.Option(help="Five fields as crontab has them (or six, seconds first), UTC.")],
    host: Host = "",
    cluster: ClusterFile = None,
    experiment: Experiment = "",
    argument: Arguments = None,
    image: Image = "",
) -> None:
    """Run a pipeline at fixed times; a second call changes what is different, and else nothing."""
    from pipelines.client import put_schedule

    settings = cluster_of(cluster)
    with order_of(pipeline, suite, settings, image=image, experiment=experiment, given=argument or []) as order:
        schedule, change = put_schedule(connect(settings, host), order, cron)
    paused = "" if schedule.enabled else f"; paused: `polymart schedules resume {schedule.name}` starts it"
    typer.echo(f"{schedule.name}: {change}, at {schedule.cron} UTC{paused}")


@schedules_app.callback(invoke_without_command=True)
def schedules_command(context: typer.Context, host: Host = "", cluster: ClusterFile = None) -> None:
    """List schedules."""
    if context.invoked_subcommand:
        return
    from rich.table import Table

    from pipelines.client import find_schedules
    from polymart.cli.console import console

    table = Table("name", "cron (UTC)", "state", "id")
    for schedule in find_schedules(connect(cluster_of(cluster), host)):
        table.add_row(schedule.name, schedule.cron, "on" if schedule.enabled else "paused", schedule.schedule_id)
    console().print(table)


@schedules_app.command("pause")
def pause_command(name: Name, host: Host = "", cluster: ClusterFile = None) -> None:
    """Start no further run until it is resumed."""
    _switch(name, host, cluster, on=False)


@schedules_app.command("resume")
def resume_command(name: Name, host: Host = "", cluster: ClusterFile = None) -> None:
    """Start runs again."""
    _switch(name, host, cluster, on=True)


@schedules_app.command("delete")
def delete_command(name: Name, host: Host = "", cluster: ClusterFile = None) -> None:
    """Delete a schedule; its runs stay."""
    from pipelines.client import delete_schedule

    count = delete_schedule(connect(cluster_of(cluster), host), name)
    typer.echo(f"{name}: {'deleted' if count else 'there is none; nothing to do'}")


def _switch(name: str, host: str, cluster: ClusterFile, *, on: bool) -> None:
    from pipelines.client import switch_schedule

    switch_schedule(connect(cluster_of(cluster), host), name, on=on)
    typer.echo(f"{name}: {'on' if on else 'paused'}")
