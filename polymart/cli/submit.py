"""``polymart submit``: start a run on Kubeflow Pipelines."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.client import Submission
    from polymart.config import Suite

app = typer.Typer()


@app.command()
def submit(
    pipeline: Annotated[str, typer.Argument(help="training, monitoring or tuning.")],
    suite: Annotated[Path, typer.Option(help="Suite file.")],
    host: Annotated[str, typer.Option(help="Kubeflow Pipelines API; default POLYMART_KFP_HOST.")] = "",
    experiment: Annotated[str, typer.Option(help="Experiment that the run belongs to.")] = "polymart",
    run_name: Annotated[str, typer.Option(help="Default: suite, pipeline and time.")] = "",
    argument: Annotated[list[str] | None, typer.Option(help="name=value of a pipeline parameter; repeatable.")] = None,
    image: Annotated[str, typer.Option(help="Image of every component, with digest.")] = "",
    override: Annotated[
        str, typer.Option(help="Training: 'who: why', to release a candidate that does not pass.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; exit status 1 if it is not success.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.")] = 86_400,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compile, check and show; send nothing.")] = False,
) -> None:
    """Compile a pipeline and submit it; the token is read from the file POLYMART_KFP_TOKEN_FILE."""
    import tempfile

    from pipelines.arguments import fill_arguments
    from pipelines.client import submit as send
    from pipelines.compiling import compile_pipeline
    from polymart.config import Settings, load_suite
    from polymart.evaluation.checks import check_suite
    from polymart.gates import parse_override

    settings, loaded = Settings(), load_suite(suite)
    check_suite(loaded)
    given = _pairs([*(argument or []), *([f"override={override}"] if override else [])])
    parse_override(given.get("override", ""))
    with tempfile.TemporaryDirectory(prefix="polymart-submit-") as folder:
        package = compile_pipeline(pipeline, Path(folder) / f"{pipeline}.yaml", image=image)
        arguments = fill_arguments(package, given, _known(loaded))
        if dry_run:
            typer.echo(_shown(pipeline, package, arguments))
            return
        name = run_name or f"{loaded.name}-{pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        done = send(
            package, host=host or settings.kfp_host, token_file=settings.kfp_token_file, experiment=experiment,
            run_name=name, arguments=arguments, wait=wait, timeout_s=timeout,
        )  # fmt: skip
    _report(done, wait)


def _report(done: Submission, waited: bool) -> None:
    typer.echo(f"{done.run_name}: {done.state}\n{done.url}")
    if waited and not done.succeeded:
        if done.error:
            typer.echo(done.error, err=True)
        raise typer.Exit(1)


def _known(suite: Suite) -> dict[str, str]:
    from polymart.config import Settings
    from polymart.data.sources import suite_data_version
    from polymart.version import code_version

    return {
        "suite": suite.to_json(),
        "data_version": suite_data_version(suite, Settings()),
        "code_version": code_version(),
    }


def _pairs(arguments: list[str]) -> dict[str, str]:
    wrong = [argument for argument in arguments if "=" not in argument]
    if wrong:
        raise typer.BadParameter(f"must be name=value, found {wrong[0]!r}")
    return dict(argument.split("=", 1) for argument in arguments)


def _shown(pipeline: str, package: Path, arguments: dict[str, object]) -> str:
    import json

    from polymart.files import digest_file

    return json.dumps(
        {"pipeline": pipeline, "package_digest": digest_file(package), "arguments": arguments}, indent=2, sort_keys=True
    )
