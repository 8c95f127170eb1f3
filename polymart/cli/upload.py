"""``polymart upload``: a compiled pipeline as a version on Kubeflow Pipelines."""

from __future__ import annotations

import typer

from polymart.cli.remote import ClusterFile, Host, Image, Pipeline, cluster_of, connect

app = typer.Typer()


@app.command("upload")
def upload_command(pipeline: Pipeline, host: Host = "", cluster: ClusterFile = None, image: Image = "") -> None:
    """Compile a pipeline and upload it, as a version that is named after its content."""
    import tempfile
    from pathlib import Path

    from pipelines.client import Order, upload
    from pipelines.compiling import compile_pipeline

    settings = cluster_of(cluster)
    with tempfile.TemporaryDirectory(prefix="polymart-upload-") as folder:
        package = compile_pipeline(pipeline, Path(folder) / f"{pipeline}.yaml", cluster=settings, image=image)
        version = upload(connect(settings, host), Order(pipeline, "", package))
    typer.echo(f"{version.name}: {'uploaded' if version.new else 'is there already'}\n{version.url}")
