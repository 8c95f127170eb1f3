"""``polymart drift``: what the drift reports say, in the terminal, in a browser and for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from monitoring.records import Record

app = typer.Typer(
    name="drift", help="What moved, since when, what it hurts and what was decided.", no_args_is_help=True
)

Work = Annotated[Path | None, typer.Option(help="Work folder with the reports; default POLYMART_WORK_DIR.")]
Suite = Annotated[str, typer.Option(help="Only reports of this suite.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


def _work(work: Path | None) -> Path:
    from polymart.config import Settings

    return work or Settings().work_dir


def _print_json(record: Record) -> None:
    typer.echo(record.model_dump_json(indent=2))


@app.command("latest")
def latest_command(work: Work = None, suite: Suite = "", as_json: AsJson = False) -> None:
    """Show the newest report's first screen: what moved, since when, whom it hurts, what was decided."""
    from monitoring.report.first import first_screen
    from monitoring.report.found import newest_report

    found = newest_report(_work(work), suite)
    first = first_screen(found.report)
    if as_json:
        return _print_json(first)
    from polymart.cli.drift_tables import show_first

    show_first(first, found.html)


@app.command("history")
def history_command(work: Work = None, suite: Suite = "", as_json: AsJson = False) -> None:
    """Show every decision, run and outcome, newest first, and write the history page."""
    import json

    from monitoring.report.found import newest_report
    from monitoring.report.history import write_history
    from monitoring.report.log import log_rows

    folder = _work(work)
    found = newest_report(folder, suite)
    rows = log_rows(found.report)
    if as_json:
        typer.echo(json.dumps([row._asdict() | {"at": row.at.isoformat()} for row in rows], indent=2))
        return
    from polymart.cli.drift_tables import show_log

    show_log(rows)
    typer.echo(f"all windows: {write_history(folder)}")


@app.command("explain")
def explain_command(
    name: Annotated[str, typer.Argument(help="A task, a column or a signal of the newest report.")],
    work: Work = None,
    suite: Suite = "",
    as_json: AsJson = False,
) -> None:
    """Say of a task or a column why it is in the report, since when, what caused it and what to do."""
    from monitoring.report.explain import explain
    from monitoring.report.found import newest_report

    explanation = explain(newest_report(_work(work), suite).report, name)
    if as_json:
        return _print_json(explanation)
    from polymart.cli.drift_tables import show_explanation

    show_explanation(explanation)


@app.command("serve")
def serve_command(
    work: Work = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 9108,
) -> None:
    """Serve the history page and every report at ``/``, and the newest numbers for Prometheus at ``/metrics``."""
    import uvicorn

    from monitoring.site import make_site

    folder = _work(work)
    typer.echo(f"reports of {folder}: http://{host}:{port}/ and http://{host}:{port}/metrics")
    uvicorn.run(make_site(folder), host=host, port=port, log_level="warning")


@app.command("metrics")
def metrics_command(work: Work = None) -> None:
    """Print the newest numbers as Prometheus reads them, for a node exporter's textfile collector."""
    from monitoring.metrics import exposition

    typer.echo(exposition(_work(work)), nl=False)


@app.command("ui")
def ui_command(
    work: Work = None,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    fill_only: Annotated[bool, typer.Option("--fill-only", help="Write the workspace and do not open it.")] = False,
) -> None:
    """Put every window into a workspace of Evidently and open its UI, for depth."""
    from monitoring.workspace import fill_workspace, open_ui

    folder, num_runs = fill_workspace(_work(work))
    typer.echo(f"{num_runs} windows in {folder}")
    if not fill_only:
        open_ui(folder, port)
