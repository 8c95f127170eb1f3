"""``polymart data``: fetch the pinned archives, list what is present."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from polymart.config import Settings
    from polymart.data.archives import ArchiveStatus
    from polymart.data.needs import Needs

app = typer.Typer(name="data", help="Fetch pinned data, list what is present.", no_args_is_help=True)


@app.command("fetch")
def fetch_command(
    keys: Annotated[list[str] | None, typer.Argument(help="Keys shown by `polymart data list`.")] = None,
    suite: Annotated[Path | None, typer.Option(help="Fetch everything that this suite file needs.")] = None,
    accept_terms: Annotated[bool, typer.Option("--accept-terms", help="Accept the terms an archive asks for.")] = False,
) -> None:
    """Download archives once; what is already complete is left alone."""
    from polymart.config import Settings
    from polymart.data.archives import fetch

    settings = Settings()
    needs = _needs(keys or [], suite)
    for key in needs.archives:
        folder = fetch(key, settings, progress=_say, accept_terms=accept_terms)
        _say(f"{key}: {folder}")
    for name in needs.extras:
        _say_if_absent(name, settings)


@app.command("list")
def list_command() -> None:
    """Show every archive and extra dataset: present or not, size, licence, origin, how to get it."""
    from rich.table import Table

    from polymart.cli.console import console
    from polymart.config import Settings
    from polymart.data.archives import status

    table = Table("key", "present", "MB", "origin", "licence", "how to get it")
    for row in status(Settings()):
        table.add_row(*_cells(row))
    console().print(table)


def _needs(keys: list[str], suite: Path | None) -> Needs:
    from polymart.config import load_suite
    from polymart.data.catalogue import archive_of
    from polymart.data.needs import Needs, needs_of

    if bool(keys) == (suite is not None):
        raise typer.BadParameter("give either keys or --suite, e.g. polymart data fetch --suite suites/quick.yaml")
    return needs_of(load_suite(suite)) if suite else Needs([archive_of(key).key for key in keys], [])


def _cells(row: ArchiveStatus) -> tuple[str, ...]:
    size = f"{row.bytes / 1e6:.1f}" if row.present else "-"
    remedy = "" if row.present else row.how_to_get
    return row.key, "yes" if row.present else "no", size, row.origin or "tool", row.licence, remedy


def _say(line: str) -> None:
    from polymart.cli.console import console

    console(stderr=True).print(line, markup=False, soft_wrap=True)


def _say_if_absent(name: str, settings: Settings) -> None:
    from polymart.data.extra import find_extra, how_to_get

    if find_extra(name, settings) is None:
        _say(f"{name} is absent, its tasks will be left out; {how_to_get(name)}")
