"""``polymart serve``: the release that Git deploys, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def serve(
    environment: Annotated[str, typer.Option(help="Environment whose current release is served.")] = "local",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.", min=1, max=65535)] = 3000,
    repository: Annotated[str, typer.Option(help="Deployment repository; default POLYMART_DEPLOY_REPO.")] = "",
) -> None:
    """Serve the current release; Ctrl-C stops it. POLYMART_RELEASE_KEYS refuses what none of its keys signed."""
    from polymart.config import Settings
    from polymart.release.promotion import current_manifest
    from polymart.release.signing import require_signed, trusted_keys
    from serving.run import serve_bento

    settings = Settings()
    manifest = current_manifest(repository or settings.deployment_repository, environment)
    require_signed(manifest, trusted_keys(settings))
    typer.echo(f"{manifest.release} at http://{host}:{port} (Ctrl-C stops)", err=True)
    bento, feature_store = Path(manifest.locations["bento"]), Path(manifest.locations["feature_store"])
    raise typer.Exit(serve_bento(bento, feature_store, manifest, host=host, port=port))
