"""``polymart keys``: who may call the service, and who may sign releases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="keys",
    help="Add, list and revoke API keys of the service; make keys that sign releases.",
    no_args_is_help=True,
)

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


@app.command("signing")
def signing_command(
    folder: Annotated[Path, typer.Argument(help="Folder for release.key (keep it secret) and release.pub.")],
) -> None:
    """Make a pair of keys: one signs releases, the other lets servers verify them."""
    from polymart.errors import SettingError
    from polymart.files import storage_errors
    from polymart.release.signing import new_pair

    private, public = folder / "release.key", folder / "release.pub"
    if taken := [path for path in (private, public) if path.exists()]:
        raise SettingError(f"{taken[0]} exists, and a key is never overwritten", remedy="name another folder")
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        secret, shown = new_pair()
        private.touch(mode=0o600)
        private.write_bytes(secret)
        public.write_bytes(shown)
    typer.echo(f"where releases are made:  POLYMART_SIGNING_KEY_FILE={private}")
    typer.echo(f"where they are served:    POLYMART_RELEASE_KEYS={public}")
