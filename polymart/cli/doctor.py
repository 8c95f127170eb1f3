"""``polymart doctor``: is this machine ready, and if not, what to do."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()

_MARK = {"ok": "[green]ok[/green]", "note": "[yellow]note[/yellow]", "missing": "[red]missing[/red]"}


@app.command()
def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Leave the GPU out: loading torch takes seconds.")] = False,
) -> None:
    """Compare this machine with what Polymart needs; exit status 1 if something required is missing."""
    from rich.markup import escape
    from rich.table import Table

    from polymart.cli.checks import examine
    from polymart.cli.console import console
    from polymart.config import Settings

    findings = examine(Settings(), gpu=not quick)
    table = Table("", "what", "found", "remedy")
    for finding in findings:
        table.add_row(_MARK[finding.state], *(escape(cell) for cell in (finding.what, finding.found, finding.remedy)))
    console().print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)
