"""``polymart submit``: start a run on Kubeflow Pipelines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

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
from polymart.cli.runs import wait_and_tell

if TYPE_CHECKING:
    from pipelines.client import Order, Server

app = typer.Typer()


@app.command()
def submit(
    pipeline: Pipeline,
    suite: SuiteFile,
    host: Host = "",
    cluster: ClusterFile = None,
    experiment: Experiment = "",
    argument: Arguments = None,
    image: Image = "",
    override: Annotated[
        str, typer.Option(help="Training: 'who: why', to release a candidate that does not pass.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Submit although the same suite, code and data run or have succeeded.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; exit status 1 if it is not success.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most; the run goes on after it.")] = 86_400,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan as JSON; change nothing.")] = False,
) -> None:
    """Compile a pipeline, say what its run will be called and cost, and submit it, once.

    A run of the same suite, code, data and arguments that works or has succeeded is named instead of a second one;
    with --wait it is waited for. A command that was cut off can therefore be repeated.
    """
    from pipelines.client import submit as send
    from pipelines.client.submission import run_name

    settings = cluster_of(cluster)
    given = [*(argument or []), *([f"override={override}"] if override else [])]
    with order_of(pipeline, suite, settings, image=image, experiment=experiment, given=given) as order:
        name = run_name(order)
        if dry_run:
            typer.echo(json.dumps(_plan(order, name, _optional_server(settings, host)), indent=2, sort_keys=True))
            return
        server = connect(settings, host)
        server.check()
        plan = _plan(order, name, server)
        typer.echo(f"run   {name}\nin    {plan['experiment']}, {plan['page']}\ncost  {plan['cost']}")
        run, new = send(server, order, name=name, again=again)
    if not new:
        typer.echo(f"not submitted: {run.name} of the same suite, code and data is {run.state}; --again submits anew")
    typer.echo(f"{run.name}: {run.state}\n{run.url}")
    if wait:
        wait_and_tell(server, run.run_id, timeout)


def _optional_server(settings: Any, host: str) -> Server | None:
    """A plan can be made without a server; it then says what it does not know."""
    from polymart.config import Settings

    return connect(settings, host) if host or settings.host or Settings().kfp_host else None


def _plan(order: Order, name: str, server: Server | None) -> dict[str, Any]:
    from pipelines.client import estimate, find_duplicate
    from pipelines.client.orders import find_experiment
    from polymart.files import digest_file

    plan: dict[str, Any] = {
        "pipeline": order.pipeline,
        "run": name,
        "experiment": order.experiment,
        "arguments": dict(order.arguments),
        "package_digest": digest_file(order.package),
    }
    if server is None:
        return plan | {"page": "unknown: no host", "cost": "unknown: no host", "duplicate_of": "unknown: no host"}
    duplicate, experiment = find_duplicate(server, order), find_experiment(server, order.experiment)
    return plan | {
        "page": f"{server.page}/#/{f'experiments/details/{experiment}' if experiment else 'runs'}",
        "cost": str(estimate(server, order)),
        "duplicate_of": duplicate.url if duplicate else None,
    }
