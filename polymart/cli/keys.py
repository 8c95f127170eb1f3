"""``polymart keys``: who may call the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="keys", help="Add, list and revoke API keys of the service.", no_args_is_help=True)

File = Annotated[
    Path, typer.Option("--file", envvar="POLYMART_API_KEYS", help="File of keys; it holds salted hashes, no key.")
]


@app.command("add")
def add_command(
    name: Annotated[str, typer.Argument(help="Who will use the key, e.g. shop-web.")],
    file: File,
    scope: Annotated[list[str], typer.Option(help="predict, feedback, events or metrics; repeat for several.")],
    rate: Annotated[int | None, typer.Option(help="Requests a minute; default: the service's own.", min=1)] = None,
    days: Annotated[int | None, typer.Option(help="Days until it expires; default: never.", min=1)] = None,
) -> None:
    """Make a key and print it, once; a running service takes it from its next request on."""
    from polymart.errors import SettingError
    from serving.guard.keys import SCOPES, KeyFile, new_key, read_keys, write_keys

    if unknown := sorted(set(scope) - set(SCOPES)):
        raise SettingError(
            f"a scope must be one of {', '.join(SCOPES)}, found {', '.join(unknown)}", remedy="name one of these"
        )
    key, text = new_key(name, tuple(one for one in SCOPES if one in scope), rate, days)
    before = read_keys(file).keys if file.exists() else ()
    write_keys(file, KeyFile(keys=(*before, key)))
    typer.echo(f"key {key.id} of {name} may {', '.join(key.scopes)}; keep it now, it cannot be shown again:", err=True)
    typer.echo(text)


@app.command("list")
def list_command(file: File) -> None:
    """Show the keys without their secrets."""
    from rich.table import Table

    from polymart.cli.console import console
    from serving.guard.keys import read_keys

    table = Table("id", "name", "scopes", "requests a minute", "created (UTC)", "expires (UTC)")
    for key in read_keys(file).keys:
        expires = f"{key.expires:%Y-%m-%d %H:%M}" if key.expires else "never"
        rate = str(key.requests_per_minute or "the service's")
        table.add_row(key.id, key.name, ", ".join(key.scopes), rate, f"{key.created:%Y-%m-%d %H:%M}", expires)
    console().print(table)


@app.command("revoke")
def revoke_command(key: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")], file: File) -> None:
    """Take a key away; a running service refuses it from its next request on."""
    from serving.guard.keys import read_keys, write_keys

    write_keys(file, read_keys(file).without(key))
    typer.echo(f"key {key} is revoked")
