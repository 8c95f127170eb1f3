"""``polymart compile``: a pipeline as KFP IR YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command("compile")
def compile_command(
    pipeline: Annotated[str, typer.Argument(help="training, monitoring or tuning.")],
    out: Annotated[Path | None, typer.Option(help="File to write; default <pipeline>.yaml.")] = None,
    suite: Annotated[Path | None, typer.Option(help="Suite file that becomes the default of the parameter.")] = None,
    image: Annotated[str, typer.Option(help="Image of every component, with digest.")] = "",
) -> None:
    """Compile a pipeline for a cluster: GPU request, retries, caching keyed on data version, secrets by name."""
    from pipelines.compiling import compile_pipeline
    from polymart.config import load_suite

    parameters = {"suite": load_suite(suite).to_json()} if suite else None
    typer.echo(compile_pipeline(pipeline, out or Path(f"{pipeline}.yaml"), image=image, parameters=parameters))
