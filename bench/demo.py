"""The main job on suites/quick.yaml: time, memory, floors, and what a second run repeats.

``--small`` runs two short steps of training instead of the whole schedule; its task scores claim nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from bench import claim

QUICK = Path(__file__).parents[1] / "suites" / "quick.yaml"


def main() -> None:
    """Run the job twice in a fresh work folder and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    with tempfile.TemporaryDirectory(prefix="polymart-bench-") as folder:
        suite = _suite(Path(folder), small)
        first, second = (_run(suite, Path(folder)) for _ in range(2))
        evaluation = _newest(Path(folder), "evaluate-suite", "evaluation")
    claim("seconds of the main job", first["seconds"], "< 480", first["seconds"] < 480, 1)
    claim("peak memory of one step, GB", first["memory_gb"], "< 6", first["memory_gb"] < 6, 1)
    repeated = second["steps"] - second["reused"]
    claim("steps that a second run repeats", repeated, "0", repeated == 0, 1)
    if not small:
        for task in evaluation["tasks"]:
            bound, count = task["gain_lower_bound"], task["num_examples"]
            claim(f"{task['task']}: 95% lower bound of gain over {task['floor']}", bound, "> 0", bound > 0, count)


def _suite(folder: Path, small: bool) -> Path:
    suite = yaml.safe_load(QUICK.read_text())
    if small:
        suite["training"] |= {"max_steps": 2, "evaluate_every": 2}
        for task in suite["tasks"]:
            task |= {"limits": {"train": 300, "val": 60, "test": 250}, "margin": 1e6}
    path = folder / QUICK.name
    path.write_text(yaml.safe_dump(suite))
    return path


def _run(suite: Path, folder: Path) -> dict[str, float]:
    """Seconds, memory and reused steps, read from the last line of ``polymart run``."""
    done = subprocess.run(
        [sys.executable, "-m", "polymart.cli.main", "run", str(suite)],
        env=os.environ | {"POLYMART_WORK_DIR": str(folder / "work"), "CI": "true"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    print(done.stdout, flush=True)
    numbers = re.search(r"took\s+(\d+) s, (\d+) of (\d+) steps reused, peak ([\d.]+) GB", done.stdout)
    if numbers is None:
        raise SystemExit("the run printed no summary")
    seconds, reused, steps, memory = map(float, numbers.groups())
    return {"seconds": seconds, "reused": reused, "steps": steps, "memory_gb": memory}


def _newest(folder: Path, step: str, name: str) -> dict:
    return json.loads(next((folder / "work" / "pipelines").glob(f"polymart-training-*/{step}/{name}")).read_text())


if __name__ == "__main__":
    main()
