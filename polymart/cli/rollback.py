"""``polymart rollback``: `polymart deploy rollback` by a shorter name, for the night."""

from __future__ import annotations

import typer

from polymart.cli.releases import rollback

app = typer.Typer()
app.command()(rollback)
