"""Monitoring passes over a world, one a week: what each decided and what its report names first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench._replay_world import World, week_end
from monitoring.impact import rank_causes
from monitoring.ledger import Ledger
from monitoring.run import run_monitoring
from monitoring.schema import TaskReport, read_report
from polymart.files import read_json, write_json


@dataclass(frozen=True)
class Pass:
    """One pass.

    Attributes:
        week: number of the newest week, from 0.
        action: keep, watch, retrain or rollback.
        reasons: of the decision.
        named: task to what its newest window names, the most probable cause first (see `named`).
    """

    week: int
    action: str
    reasons: list[str]
    named: dict[str, list[list[str]]]


def watch(world: World, weeks: range, folder: Path) -> Iterator[Pass]:
    """Passes over the given weeks with one state; those made before are only read."""
    for week in weeks:
        kept = folder / f"week-{week:02}.json"
        if not kept.is_file():
            write_json(kept, one_pass(world, week, folder))
        yield Pass(**read_json(kept))


def one_pass(world: World, week: int, folder: Path) -> dict[str, Any]:
    """Write the tables of a week, run the monitoring pass over them, read its report."""
    inputs, out = folder / "inputs", folder / "report"
    world.write(week_end(week), inputs)
    decision = run_monitoring(
        inputs / "examples",
        inputs / "predictions",
        world.suite,
        out,
        data_origin={},
        submit_command="",
        ledger=Ledger(folder / "state"),
    )
    report = read_report(out / "report.json")
    return {
        "week": week,
        "action": decision.action,
        "reasons": list(decision.reasons),
        "named": {task.name: named(task) for task in report.tasks},
    }


def named(task: TaskReport) -> list[list[str]]:
    """What the newest window names, most probable cause first: its column (or kind, without one), then its kinds."""
    causes = rank_causes(task.newest, task.windows[:-1])
    return [[cause.column or cause.kinds[0], *cause.kinds] for cause in causes]
