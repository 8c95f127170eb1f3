"""``polymart compile``: a pipeline as KFP IR YAML, or as manifests for Git."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polymart.cli.remote import ClusterFile, Image, Pipeline, cluster_of

app = typer.Typer()


@app.command("compile")
def compile_command(
    pipeline: Pipeline,
    out: Annotated[Path | None, typer.Option(help="File to write; default <pipeline>.yaml.")] = None,
    suite: Annotated[Path | None, typer.Option(help="Suite file that becomes the default of the parameter.")] = None,
    cluster: ClusterFile = None,
    image: Image = "",
    manifests: Annotated[
        bool, typer.Option("--manifests", help="Write a Pipeline and a PipelineVersion, which Git can deploy.")
    ] = False,
) -> None:
    """Compile a pipeline for a cluster: sizes, volumes, retries, timeouts, secrets by name, an exit handler."""
    from pipelines.compiling import compile_manifests, compile_pipeline
    from polymart.config import load_suite

    parameters = {"suite": load_suite(suite).to_json()} if suite else None
    write = compile_manifests if manifests else compile_pipeline
    file = out or Path(f"{pipeline}.yaml")
    typer.echo(write(pipeline, file, cluster=cluster_of(cluster), image=image, parameters=parameters))
