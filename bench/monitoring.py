"""Profiles of large tables: time and memory beside a hand-written comparison and Evidently's preset.

1,000,000 rows x 20 columns: profile, tests and report of a window, compared with (a) PSI and the exact KS distance of
the same columns written by hand in DuckDB and NumPy, (b) Evidently's drift preset with its defaults on the raw tables.
Every run is a process of its own, so that peak memory counts the imports; times leave them out. Then 356,000 rows x
100 columns, both sides, and how the time of a profile grows with rows and columns (slope of log time on log size).

The full form writes bench/results/monitoring.json; ``--small`` runs tables of thousands of rows, whose times mean
nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench import claim, machine
from bench._monitoring_tables import write_tables
from polymart.files import write_json

RESULTS = Path(__file__).parent / "results" / "monitoring.json"
REPEATS = 5
ROWS, COLUMNS = 1_000_000, 20
WIDE_ROWS, WIDE_COLUMNS = 356_000, 100
HALVINGS = 4
LARGEST_SLOPE = 1.1
"""Slope of log time on log size that still counts as linear, given the noise of a run."""


def main() -> None:
    """Measure and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    part = 50 if small else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {
            "tall": tall(folder / "tall", ROWS // part, 1 if small else REPEATS),
            "wide": wide(folder / "wide", WIDE_ROWS // part),
            "growth": growth(folder / "growth", part, 1 if small else REPEATS),
        }
    if not small:
        write_json(RESULTS, {"machine": machine(), **found})


def run(arm: str, folder: Path, repeats: int = 1) -> dict[str, float]:
    """The median of each figure over runs of one arm."""
    runs = [_run_once(arm, folder) for _ in range(repeats)]
    return {name: median(run[name] for run in runs) for name in runs[0]}


def _run_once(arm: str, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench._monitoring_arms", arm, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def tall(folder: Path, num_rows: int, repeats: int) -> dict[str, Any]:
    """All arms over one pair of tables."""
    write_tables(folder, num_rows, COLUMNS)
    arms = {arm: run(arm, folder, repeats) for arm in ("remember", "ours", "by_hand")}
    arms["preset"] = run("preset", folder)
    ours, by_hand, preset = arms["ours"], arms["by_hand"], arms["preset"]
    size = f"{num_rows:,} rows x {COLUMNS} columns"
    ratio = ours["seconds"] / by_hand["seconds"]
    claim(f"{size}: profile, tests and report beside PSI and KS by hand", ratio, "<= 2.5", ratio <= 2.5, repeats)
    ratio = preset["seconds"] / ours["seconds"]
    claim(f"{size}: times faster than Evidently's preset on raw tables", ratio, ">= 20", ratio >= 20, repeats)
    ratio = ours["peak_mb"] / preset["peak_mb"]
    claim(f"{size}: peak memory beside the preset's, imports included", ratio, "<= 1/3", ratio <= 1 / 3, repeats)
    return {"rows": num_rows, "columns": COLUMNS, **arms}


def wide(folder: Path, num_rows: int) -> dict[str, Any]:
    """Both sides of a wide table: the reference is profiled, too."""
    write_tables(folder, num_rows, WIDE_COLUMNS)
    arms = {arm: run(arm, folder) for arm in ("remember", "ours")}
    seconds = arms["remember"]["seconds"] + arms["ours"]["seconds"]
    size = f"{num_rows:,} rows x {WIDE_COLUMNS} columns"
    claim(f"{size}: seconds for both profiles, tests and report", seconds, "< 20", seconds < 20, 1)
    return {"rows": num_rows, "columns": WIDE_COLUMNS, **arms}


def growth(folder: Path, part: int, repeats: int) -> dict[str, Any]:
    """Time of a profile over halved rows and over halved columns."""
    sizes = {
        "rows": [(ROWS // part // 2**i, COLUMNS) for i in reversed(range(HALVINGS))],
        "columns": [(WIDE_ROWS // part, WIDE_COLUMNS // 2**i) for i in reversed(range(HALVINGS))],
    }
    found = {}
    for what, tables in sizes.items():
        seconds = []
        for num_rows, num_columns in tables:
            write_tables(folder, num_rows, num_columns)
            seconds.append(run("profile", folder, repeats)["seconds"])
        grown = [size[what == "columns"] for size in tables]
        slope = float(np.polyfit(np.log(grown), np.log(seconds), 1)[0])
        goal = f"<= {LARGEST_SLOPE} (1 is linear)"
        claim(f"log seconds of a profile on log {what}: slope", slope, goal, slope <= LARGEST_SLOPE, len(tables))
        found[what] = {"sizes": grown, "seconds": seconds, "slope": slope}
    return found


if __name__ == "__main__":
    main()
