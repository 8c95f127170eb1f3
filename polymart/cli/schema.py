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
    cluster = "cluster"


@app.command()
def schema(
    document: Annotated[Document, typer.Argument(help="suite, cluster: YAML files; settings: the environment.")],
) -> None:
    """Print the JSON schema of a document, with the meaning of every key."""
    from pydantic import BaseModel

    from polymart.config import Cluster, Settings, Suite

    models: dict[Document, type[BaseModel]] = {
        Document.suite: Suite,
        Document.settings: Settings,
        Document.cluster: Cluster,
    }
    typer.echo(json.dumps(models[document].model_json_schema(), indent=2))
