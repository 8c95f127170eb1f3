"""How ``polymart drift`` looks in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from monitoring.report.causes import RankedCause
from monitoring.report.explain import Explanation
from monitoring.report.first import FirstScreen, TaskState
from monitoring.report.log import LogRow
from polymart.cli.console import console

COLOURS = {"keep": "green", "watch": "yellow", "retrain": "blue", "rollback": "red", "": "default"}


def show_first(first: FirstScreen, html: Path) -> None:
    """Print the first screen of a report.

    Args:
        html: where the page lies.
    """
    out = console()
    colour = "red" if first.broken else COLOURS[first.action]
    out.print(f"[bold {colour}]{escape(first.headline)}[/] {escape(first.story)}")
    for task, message in first.broken:
        out.print(f"  [red]{escape(task)}: {escape(message)}[/]")
    if first.causes:
        out.print(_causes(first.causes))
    if first.tasks:
        out.print(_tasks(first.tasks))
    out.print("[bold]why[/]")
    for reason in first.reasons:
        out.print(f"  {escape(reason)}", soft_wrap=True)
    out.print(f"[bold]to do[/]      {escape(first.todo)}", soft_wrap=True)
    out.print(f"[bold]roll back[/]  {escape(first.rollback_command)}", soft_wrap=True)
    out.print(f"[bold]report[/]     {escape(str(html))}", soft_wrap=True)


def show_log(rows: Sequence[LogRow]) -> None:
    """Print the log, newest first."""
    table = Table("UTC", "what", "why, what came of it", box=None, pad_edge=False)
    for row in rows:
        table.add_row(f"{row.at:%Y-%m-%d %H:%M}", f"[{COLOURS[row.tone]}]{escape(row.what)}[/]", escape(row.detail))
    console().print(table)


def show_explanation(one: Explanation) -> None:
    """Print why a task or column stands in the report."""
    out = console()
    out.print(f"[bold]{escape(one.verdict)}[/]", soft_wrap=True)
    if one.causes:
        out.print(_causes(one.causes))
    for finding in one.quality:
        out.print(f"[{'red' if finding.failed else 'yellow'}]data: {escape(finding.message)}[/]", soft_wrap=True)
    for task, column in one.columns:
        told = column.note or (
            f"PSI {column.psi:.3f}, threshold {column.threshold:.3f}"
            if None not in (column.psi, column.threshold)
            else ""
        )
        out.print(f"{escape(task)}: {escape(told)}", soft_wrap=True)
    for signal in one.signals:
        out.print(
            f"{escape(signal.title)}: {signal.strength:.1f} times its threshold {escape(signal.note)}", soft_wrap=True
        )
    for reason in one.reasons:
        out.print(f"[bold]decided[/]  {escape(reason)}", soft_wrap=True)
    out.print(f"[bold]to do[/]    {escape(one.todo)}", soft_wrap=True)
    out.print(f"[bold]runbook[/]  {escape(one.runbook)}", soft_wrap=True)


def _causes(causes: Sequence[RankedCause]) -> Table:
    table = Table("", "moved", "since", "of its threshold", "may cost", "tasks", box=None, pad_edge=False)
    for place, cause in enumerate(causes, start=1):
        cost = "" if cause.hurts is None else f"{cause.hurts:.0%}"
        table.add_row(
            str(place), f"[bold]{escape(cause.name)}[/]", f"{cause.since:%Y-%m-%d}", f"{cause.strength:.1f}", cost,
            escape(", ".join(cause.tasks)),
        )  # fmt: skip
    return table


def _tasks(tasks: Sequence[TaskState]) -> Table:
    table = Table("task", "newest window", "metric", "now", "was", "worse by", "data", box=None, pad_edge=False)
    for task in tasks:
        now = "" if task.value is None else f"{'about ' if task.estimated else ''}{task.value:.4g}"
        was = "" if task.reference is None else f"{task.reference:.4g}"
        worse = "" if task.loss is None or task.loss <= 0 else f"{task.loss:.0%}"
        table.add_row(escape(task.name), escape(task.words), task.metric, now, was, worse, task.data_origin)
    return table
