"""How far more data would carry a task: its test metric by the share of its training rows, each task trained alone.

For tasks that miss a bar of bench/quality.py. The full form adds what it measured to bench/results/scaling.json.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from bench import claim, machine
from bench._examples import examples_of
from bench.quality import SHOP
from polymart.config import Limits, Suite, load_suite
from polymart.data.example_index import read_examples_index
from polymart.evaluation.scoring import score_test_rows
from polymart.files import read_json, write_json
from polymart.model.predictor import Predictor
from polymart.training.loop import train_suite
from polymart.training.single import single_suite

RESULTS = Path(__file__).parent / "results" / "scaling.json"
TASKS = ("intent", "review_quality", "coupon_response")
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
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint"
        _, log = train_suite(examples, encoder, single_suite(suite, task.name, rows), checkpoint)
        test = score_test_rows(Predictor.load(checkpoint), task, examples)
    value = test.metric.value(test.label, test.scores)
    claim(f"{task.name} {task.metric} with {rows:,} training rows", value, "stated", True, len(test.label))
    return {"rows": rows, "value": value, "best_step": log.best_step, "seconds": log.seconds}


if __name__ == "__main__":
    main()
