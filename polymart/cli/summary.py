"""The table that ends a run, and where to go from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polymart.cli.console import console

if TYPE_CHECKING:
    from polymart.cli.job import Job
    from polymart.evaluation.records import Score

COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


def print_summary(job: Job) -> None:
    """Print results per task, what was skipped, and the commands that come next."""
    out = console()
    out.print(_table(job))
    for task, reason in job.evaluation.skipped.items():
        out.print(f"skipped {task}: {reason}", markup=False)
    if job.release:
        out.print(f"\nReleased {job.release} to the environment local.", markup=False)
    else:
        out.print(f"\nNot released: the verdict is {job.outcome}; the gates above say why.", markup=False)
    if job.action:
        out.print(f"Monitoring decided: {job.action}", markup=False)
    rows: list[tuple[str, object]] = [
        ("run page", job.folder / "index.html"),
        ("drift report", job.drift),
        ("log", job.folder / "run.log"),
    ]
    if job.release:
        rows.append(("serve the model", "polymart serve"))
    rows.append(("MLflow page", f"mlflow ui --backend-store-uri {job.settings.tracking_uri}"))
    reused = sum(state == "cached" for state in job.states.values())
    rows.append(
        (
            "took",
            f"{job.total_s:.0f} s, {reused} of {len(job.states)} steps reused, "
            f"peak {job.peak_memory_gb:.1f} GB in one step",
        )
    )
    for name, value in rows:
        if value is not None:
            out.print(f"  {name:<16} {value}", markup=False, soft_wrap=True)


def _table(job: Job) -> object:
    from rich.table import Table

    table = Table(
        title=f"Suite {job.suite.name}: test months, {job.evaluation.confidence:.0%} intervals", title_justify="left"
    )
    for name in ("task", "metric", "model", "floor", "classical", "verdict", "n", "data"):
        table.add_column(
            name,
            justify="right" if name == "n" else "left",
            no_wrap=name != "floor",
            min_width=18 if name == "floor" else None,
        )
    outcomes = {gate.task: gate.outcome for gate in job.verdict.gates}
    for task in job.evaluation.tasks:
        outcome = outcomes.get(task.task, "inconclusive")
        arrow = "↑" if task.greater_is_better else "↓"
        table.add_row(
            task.task,
            f"{task.metric} {arrow}",
            _score(task.score),
            f"{task.floor_score.value:.3f} {task.floor}",
            f"{task.baseline_score.value:.3f}" if task.baseline_score else "",
            f"[{COLOURS[outcome]}]{outcome}[/]",
            f"{task.num_examples:,}",
            task.data_origin,
        )
    return table


def _score(score: Score) -> str:
    return f"{score.value:.3f} \\[{score.low:.3f}, {score.high:.3f}]"
