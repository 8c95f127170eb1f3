"""``polymart monitor``: one monitoring pass over the release that Git deploys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def monitor(
    environment: Annotated[str, typer.Option(help="Environment whose current release is watched.")] = "local",
    predictions: Annotated[
        Path | None, typer.Option(help="Folder of newer predictions; default those of the run.")
    ] = None,
    examples: Annotated[Path | None, typer.Option(help="Folder of newer examples; default those of the run.")] = None,
    out: Annotated[Path | None, typer.Option(help="Report folder; default <work>/monitoring/<release>.")] = None,
    repository: Annotated[str, typer.Option(help="Deployment repository; default POLYMART_DEPLOY_REPO.")] = "",
) -> None:
    """Compare the newest windows with the training reference, report, decide; a second pass changes nothing.

    Exit status: 0 for keep and watch, 1 for retrain and rollback.
    """
    from monitoring.run import run_monitoring
    from polymart.config import Settings, Suite
    from polymart.data.examples import read_examples_index
    from polymart.release.promotion import current_manifest

    settings = Settings()
    manifest = current_manifest(repository or settings.deployment_repository, environment)
    places = {name: Path(place) for name, place in manifest.locations.items()}
    suite_file = places["checkpoint"] / "suite.json"
    examples = examples or places["examples"]
    home = settings.work_dir / "monitoring"
    folder = out or home / manifest.release
    decision = run_monitoring(
        examples,
        predictions or places["predictions"],
        Suite.from_json(suite_file.read_text(), origin=str(suite_file)),
        folder,
        data_origin={name: task.data_origin for name, task in read_examples_index(examples).tasks.items()},
        submit_command=f"polymart submit training --suite suites/{manifest.release.rpartition('-')[0]}.yaml",
        state_file=home / "state" / "state.json",
    )
    typer.echo(f"{manifest.release}: {decision.action}")
    for reason in decision.reasons:
        typer.echo(f"  {reason}")
    typer.echo(f"  report: {folder / 'report.html'}")
    if decision.action in ("retrain", "rollback"):
        raise typer.Exit(1)
