"""``polymart tune``: task weights and learning rates by budget-matched search."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer()


@app.command()
def tune(
    suite: Annotated[Path, typer.Argument(help="Suite file, e.g. suites/shop.yaml.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials in all; the first is the suite as written.")] = 12,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps of each trial.")] = 200,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Tuned suite file; default <suite>-tuned.yaml beside it.")
    ] = None,
) -> None:
    """Search task weights and learning rates: every trial gets the same steps, data and seed.

    A search that was interrupted goes on inside the trial that it stopped in; more trials extend a finished one.
    """
    import shutil

    from pipelines.compiling import load_pipeline
    from pipelines.local import run_local
    from polymart.cli.steps import StepView
    from polymart.config import Settings, load_suite
    from polymart.data.sources import suite_data_version
    from polymart.evaluation.checks import check_suite
    from polymart.files import atomic_path, storage_errors
    from polymart.tuning import Tuning
    from polymart.version import code_version

    loaded, settings = load_suite(suite), Settings()
    check_suite(loaded)
    target, work = out or suite.with_name(f"{suite.stem}-tuned.yaml"), settings.work_dir.resolve()
    arguments: dict[str, Any] = {
        "suite": loaded.to_json(),
        "data_version": suite_data_version(loaded, settings),
        "code_version": code_version(),
        "trials": trials,
        "steps": steps,
    }
    log = work / "runs" / f"{loaded.name}-tuning-{datetime.now(UTC):%Y%m%d-%H%M%S}" / "run.log"
    with storage_errors(work), StepView() as view:
        outputs = run_local(load_pipeline("tuning"), arguments, root=work / "pipelines", log=log, listen=view)
    record = Tuning.model_validate_json(Path(outputs["record"].path).read_text())
    with storage_errors(target), atomic_path(target) as path:
        shutil.copyfile(outputs["tuned"].path, path)
    _print_record(record)
    typer.echo(f"tuned suite      {target}\nlog              {log}")


def _print_record(record: Any) -> None:
    from rich.table import Table

    from polymart.cli.console import console

    table = Table("trial", "losses against the suite as written", "weights and rates multiplied by", box=None)
    control = next(trial for trial in record.trials if not trial.factors)
    for trial in sorted(record.trials, key=lambda trial: (trial.score is None, trial.score)):
        factors = ", ".join(f"{name.removeprefix('weight.')} {value:.2f}" for name, value in trial.factors.items())
        mark = " (best)" if trial.number == record.best else ""
        table.add_row(f"{trial.number}{mark}", _against(trial.score, control.score), factors or "as written")
    console().print(table)


def _against(score: float | None, control: float | None) -> str:
    import math

    if score is None or control is None:
        return "diverged"
    return f"{math.exp(score - control) - 1:+.1%}"
