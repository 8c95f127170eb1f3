"""``polymart monitor``: watch the release that Git deploys, retrain where that is due, hold retraining back."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from monitoring.retraining import Done
    from monitoring.watch import Watch

app = typer.Typer(name="monitor", invoke_without_command=True)

Environment = Annotated[str, typer.Option(help="Environment whose current release is watched.")]
SuiteFile = Annotated[Path | None, typer.Option(help="Suite file; default the one in the release's checkpoint.")]
Repository = Annotated[str, typer.Option(help="Deployment repository; default POLYMART_DEPLOY_REPO.")]


@app.callback()
def monitor(
    context: typer.Context,
    environment: Environment = "local",
    predictions: Annotated[
        Path | None, typer.Option(help="Folder of newer predictions; default those of the run.")
    ] = None,
    examples: Annotated[Path | None, typer.Option(help="Folder of newer examples; default those of the run.")] = None,
    out: Annotated[Path | None, typer.Option(help="Report folder; default <work>/monitoring/<environment>.")] = None,
    suite: SuiteFile = None,
    repository: Repository = "",
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Follow the retraining in flight, and start the one that is due.")
    ] = False,
) -> None:
    """Compare the newest windows with the training reference, report, decide; a second pass changes nothing.

    Exit status: 0 for keep and watch, 1 for rollback and retrain; with --retrain, 1 for rollback and a retraining
    that failed.
    """
    if context.invoked_subcommand:
        return
    # what ended since the last pass must not block this one, and its release is the one to watch
    followed = _pursue(_watch(environment, repository, suite)) if retrain else None
    watch = _watch(environment, repository, suite)
    decision = watch.look(examples, predictions, out)
    typer.echo(f"{watch.manifest.release}: {decision.action}")
    for reason in decision.reasons:
        typer.echo(f"  {reason}")
    typer.echo(f"  report: {(out or watch.report) / 'report.html'}")
    done = _pursue(watch, newest=True) if retrain else None
    if decision.action == "rollback" or (decision.action == "retrain" and not retrain):
        raise typer.Exit(1)
    if any(told and told.failed for told in (followed, done)):
        raise typer.Exit(1)


@app.command("retrain")
def retrain_command(environment: Environment = "local", suite: SuiteFile = None, repository: Repository = "") -> None:
    """Follow the retraining in flight to its end, then start the one that the newest decision asks for.

    It runs on the server POLYMART_KFP_HOST, or in this process without one. Exit status: 1 if a retraining failed.
    """
    if _pursue(_watch(environment, repository, suite), newest=True).failed:
        raise typer.Exit(1)


@app.command()
def hold(
    reason: Annotated[str, typer.Option(help="Why nothing may be retrained; every report shows it.")],
    until: Annotated[datetime, typer.Option(help="UTC, e.g. 2026-12-01 or 2026-12-01T08:00:00.")],
    by: Annotated[str, typer.Option(help="Who says so; default the user of this machine.")] = "",
    environment: Environment = "local",
    repository: Repository = "",
) -> None:
    """Hold every retraining back for a while; passes still report."""
    from monitoring.entries import Held
    from monitoring.records import Hold

    now = _now()
    if until <= now:
        raise typer.BadParameter(f"must lie in the future, found {until}; it is {now:%Y-%m-%d %H:%M} UTC")
    if not reason.strip():
        raise typer.BadParameter("--reason must say why, found nothing")
    made = Hold(by=by or getpass.getuser(), reason=reason.strip(), until=until)
    _watch(environment, repository).ledger.append(Held(at=now, hold=made))
    typer.echo(f"{environment}: nothing is retrained until {until:%Y-%m-%d %H:%M} UTC ({made.by}: {made.reason})")


@app.command()
def release(
    by: Annotated[str, typer.Option(help="Who says so; default the user of this machine.")] = "",
    environment: Environment = "local",
    repository: Repository = "",
) -> None:
    """End a hold."""
    from monitoring.entries import Lifted

    ledger = _watch(environment, repository).ledger
    held = ledger.state().hold
    if held is None:
        typer.echo(f"{environment}: no hold to end")
        return
    ledger.append(Lifted(at=_now(), by=by or getpass.getuser()))
    typer.echo(f"{environment}: the hold of {held.by} ({held.reason}) is over")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _watch(environment: str, repository: str, suite: Path | None = None) -> Watch:
    from monitoring.watch import Watch
    from polymart.config import Settings, load_suite

    return Watch.over(environment, Settings(), repository, load_suite(suite) if suite else None)


def _pursue(watch: Watch, *, newest: bool = False) -> Done:
    from monitoring.ledger import newest_decision
    from monitoring.retraining import Retraining
    from pipelines.retraining import KubeflowRuns, LocalRuns, Training
    from polymart.cli.remote import cluster_of, connect
    from polymart.cli.steps import StepView

    training = Training(watch.suite, watch.settings, watch.environment, watch.repository)
    cluster, decision = cluster_of(None), newest_decision(watch.ledger.entries()) if newest else None
    with StepView() as view:
        on_cluster = watch.settings.kfp_host or cluster.host
        where = KubeflowRuns(training, connect(cluster, "")) if on_cluster else LocalRuns(training, view)
        done = Retraining(watch.ledger, where, watch.suite.monitoring, watch.released).pursue(decision)
    if done.line:
        typer.echo(done.line)
    return done
