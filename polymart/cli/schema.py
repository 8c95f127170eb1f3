"""``polymart schema``: the JSON schema of the files that people write."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer()


class Document(StrEnum):
    """What a schema can be asked for."""

    suite = "suite"
    settings = "settings"


@app.command()
def schema(
    document: Annotated[Document, typer.Argument(help="suite: the YAML file; settings: the environment.")],
) -> None:
    """Print the JSON schema of a document, with the meaning of every key."""
    from polymart.config import Settings, Suite

    model = Suite if document is Document.suite else Settings
    typer.echo(json.dumps(model.model_json_schema(), indent=2))
