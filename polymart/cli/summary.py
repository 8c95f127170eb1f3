"""The table that ends a run, and where to go from there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polymart.cli.console import console

if TYPE_CHECKING:
    from polymart.cli.job import Job

COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


def print_summary(job: Job) -> None:
    """Print results per task, what was skipped, each gate that did not pass, and the commands that come next."""
    from polymart.gates import explain

    out = console()
    out.print(_table(job))
    for task, reason in job.evaluation.skipped.items():
        out.print(f"skipped {task}: {reason}", markup=False)
    for line in explain(job.verdict):
        out.print(line, markup=False)
    if job.release:
        out.print(f"\nReleased {job.release} to the environment local.", markup=False)
    elif job.replaced_by:
        out.print(f"\nReleased before; local now runs {job.replaced_by}: see polymart deploy history.", markup=False)
    else:
        out.print(f"\nNot released: the verdict is {job.verdict.overall}; the lines above say why.", markup=False)
    if job.action:
        out.print(f"Monitoring decided: {job.action}", markup=False)
    for name, value in _next(job):
        out.print(f"  {name:<16} {value}", markup=False, soft_wrap=True)


def _next(job: Job) -> list[tuple[str, str]]:
    """What came out, and the commands that come next."""
    rows = [("run page", _short(job.folder / "index.html")), ("log", _short(job.folder / "run.log"))]
    if job.drift is not None:
        rows.insert(1, ("drift report", _short(job.drift)))
    if job.release:
        rows.append(("serve the model", "polymart serve"))
    uri = job.settings.tracking_uri
    if uri.startswith("sqlite:///"):
        uri = f"sqlite:///{_short(Path(uri.removeprefix('sqlite:///')))}"
    rows.append(("MLflow page", f"mlflow ui --backend-store-uri {uri}"))
    reused = sum(state == "cached" for state in job.states.values())
    took = (
        f"{job.total_s:.0f} s, {reused} of {len(job.states)} steps reused, peak {job.peak_memory_gb:.1f} GB in one step"
    )
    return [*rows, ("took", took)]


def _short(path: Path) -> str:
    """The path as a person here would type it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _table(job: Job) -> object:
    """Two lines a task, narrow enough for 80 columns: no terminal may hide the data's origin."""
    from rich import box
    from rich.table import Table

    from polymart.gates import worst

    title = f"Suite {job.suite.name}: test months, {job.evaluation.confidence:.0%} intervals"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("task, metric", no_wrap=True)
    table.add_column("model", no_wrap=True)
    table.add_column("floor, classical", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("n, data", no_wrap=True)
    for task in job.evaluation.tasks:
        outcome = worst(gate.outcome for gate in job.verdict.gates if gate.task == task.task)
        classical = f", {task.baseline_score.value:.3f}" if task.baseline_score else ""
        table.add_row(
            f"{task.task}\n[dim]{task.metric} {'↑' if task.greater_is_better else '↓'}[/]",
            f"{task.score.value:.3f}\n[dim]\\[{task.score.low:.3f}, {task.score.high:.3f}][/]",
            f"{task.floor_score.value:.3f}{classical}\n[dim]{task.floor}[/]",
            f"[{COLOURS[outcome]}]{outcome}[/]",
            f"{task.num_examples:,}\n[dim]{task.data_origin}[/]",
        )
    return table
