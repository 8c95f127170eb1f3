"""How far more data would carry a task: its test metric by the share of its training rows, each task trained alone.

For tasks that miss a bar of bench/quality.py. Each finished point is kept under ``<work>/bench``, and an interrupted
training goes on from its state. The full form adds what it measured to bench/results/scaling.json.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from bench import claim, machine
from bench._examples import examples_of
from bench.quality import SHOP
from polymart.config import Limits, Settings, Suite, load_suite
from polymart.data.example_index import read_examples_index
from polymart.evaluation.scoring import score_test_rows
from polymart.files import canonical_json, digest_text, read_json, write_json
from polymart.model.predictor import Predictor
from polymart.progress import Progress
from polymart.training.loop import train_suite
from polymart.training.single import CODE, single_suite
from polymart.version import library_version

RESULTS = Path(__file__).parent / "results" / "scaling.json"
TASKS = ("review_quality", "coupon_response")
SHARES = (0.25, 0.5, 1.0)


def main() -> None:
    """Train each task on growing parts of its rows and print one line per point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    suite, found = load_suite(SHOP), {}
    for name in options.tasks[:1] if options.small else options.tasks:
        alone = suite.model_copy(update={"tasks": [suite.task(name)]})
        rows = 320 if options.small else read_examples_index(examples_of(alone)[0]).tasks[name].rows["train"]
        found[name] = [point(alone, round(share * rows), options.small) for share in SHARES]
    if not options.small:
        before = read_json(RESULTS)["tasks"] if RESULTS.is_file() else {}
        write_json(RESULTS, {"machine": machine(), "suite": suite.digest, "tasks": before | found})


def point(alone: Suite, rows: int, small: bool) -> dict[str, Any]:
    """Test metric of a suite of one task that learns from ``rows`` rows."""
    task = alone.tasks[0]
    limits = Limits(train=rows, val=40, test=80) if small else task.limits.model_copy(update={"train": rows})
    task = task.model_copy(update={"limits": limits})
    suite = alone.model_copy(update={"tasks": [task]})
    examples, encoder = examples_of(suite)
    arm = single_suite(suite, task.name, rows)
    parts = [arm.digest, read_examples_index(examples).digest, library_version(*CODE, "evaluation")]
    key = digest_text(canonical_json(parts)).removeprefix("sha256:")[:12]
    folder = Settings().work_dir / "bench" / "scaling" / f"{task.name}-{rows}-{key}"
    if not (folder / "point.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        progress = Progress("scaling", arm.training.max_steps, "steps", every_s=60.0)
        _, log = train_suite(
            examples, encoder, arm, folder / "checkpoint", lambda step, *_: progress(step), state=folder / "state"
        )
        test = score_test_rows(Predictor.load(folder / "checkpoint"), task, examples)
        value = test.metric.value(test.label, test.scores)
        point = {"rows": rows, "value": value, "best_step": log.best_step, "seconds": log.seconds, "n": len(test.label)}
        write_json(folder / "point.json", point)
        shutil.rmtree(folder / "checkpoint")  # 93 MB that nothing reads again
    found = read_json(folder / "point.json")
    claim(f"{task.name} {task.metric} with {rows:,} training rows", found["value"], "stated", True, found["n"])
    return found


if __name__ == "__main__":
    main()
