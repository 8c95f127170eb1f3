"""``polymart run``: the whole job on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def run(
    suite: Annotated[Path, typer.Argument(help="Suite file, e.g. suites/quick.yaml.")],
    fresh: Annotated[bool, typer.Option("--fresh", help="Repeat every step, even where nothing changed.")] = False,
    monitor: Annotated[bool, typer.Option(help="One monitoring pass over the months after training.")] = True,
    override: Annotated[
        str, typer.Option(help="'who: why': release a candidate that does not pass; every later report shows it.")
    ] = "",
) -> None:
    """Train, gate and release a suite through the training pipeline, then watch the months after it.

    Exit status: 0 released, 1 a gate stayed shut.
    """
    from polymart.cli.job import run_job
    from polymart.cli.summary import print_summary
    from polymart.config import Settings, load_suite
    from polymart.gates import parse_override

    named = parse_override(override)
    job = run_job(load_suite(suite), suite, Settings(), cache=not fresh, monitor=monitor, override=named)
    print_summary(job)
    if not job.verdict.may_release:
        raise typer.Exit(1)
