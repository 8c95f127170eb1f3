"""Every task of suites/shop.yaml, trained together, on its test split beside the bars of docs/benchmarks.md.

An interrupted run goes on where it stopped. The full form takes up to two hours on two cores and writes
bench/results/quality.json; ``--small`` trains a few steps on a few rows and only shows that the chain works.
"""

from __future__ import annotations

import argparse
import resource
from pathlib import Path

from bench import claim, machine
from bench._examples import examples_of
from polymart.config import Settings, Suite, load_suite
from polymart.evaluation.evaluate import evaluate_suite
from polymart.evaluation.records import Evaluation, TaskEvaluation
from polymart.files import write_json
from polymart.training.loop import train_suite

SHOP = Path(__file__).parents[1] / "suites" / "shop.yaml"
RESULTS = Path(__file__).parent / "results" / "quality.json"
BARS = {
    "intent": ("accuracy", 0.935),
    "review_quality": ("macro_f1", 0.84),
    "emotion": ("macro_f1", 0.46),
    "coupon_response": ("roc_auc", 0.83),
    "image_category": ("accuracy", 0.90),
}
"""Metric and the least value that a task must reach."""


def main() -> None:
    """Train, evaluate, print one claim for each bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--suite", type=Path, default=SHOP)
    options = parser.parse_args()
    suite = load_suite(options.suite)
    if options.small:
        suite = shrunk(suite)
    examples, encoder = examples_of(suite)
    work = Settings().work_dir / "bench" / f"{suite.name}-{suite.digest.removeprefix('sha256:')[:12]}"
    report = None if options.small else _report
    _, log = train_suite(examples, encoder, suite, work / "checkpoint", report, state=work / "state")
    evaluation = evaluate_suite(examples, work / "checkpoint", suite, work / "predictions")
    for task in evaluation.tasks:
        print(line(task), flush=True)
    for name, reason in evaluation.skipped.items():
        print(f"skipped {name}: {reason}", flush=True)
    claim("hours of training", log.seconds / 3600, "< 2", log.seconds < 7200, 1)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    claim("peak memory, GB", memory, "stated", True, 1)
    if options.small:
        return
    claims(evaluation)
    results = {"machine": machine(), "seconds": log.seconds, "peak_gb": memory, "best_step": log.best_step}
    write_json(
        RESULTS, results | {"suite": suite.digest, "tasks": [t.model_dump(mode="json") for t in evaluation.tasks]}
    )


def claims(evaluation: Evaluation) -> None:
    """One claim for each bar whose task was trained."""
    tasks = {task.task: task for task in evaluation.tasks}
    for name, (metric, bar) in BARS.items():
        if name in tasks:
            value = value_of(tasks[name], metric)
            claim(f"{name} {metric}", value, f">= {bar}", value >= bar, tasks[name].num_examples)
    if task := tasks.get("next_category"):
        bound = task.gain_lower_bound
        claim(
            "next_category: lower bound of the gain over personal frequency", bound, "> 0", bound > 0, task.num_examples
        )
    if task := tasks.get("demand"):
        claim("demand wape", task.score.value, "< 0.57", task.score.value < 0.57, task.num_examples)
    if (task := tasks.get("fraud")) and task.baseline_score:
        gap = task.score.value - task.baseline_score.value
        claim(f"fraud roc_auc minus {task.baseline}", gap, ">= -0.005", gap >= -0.005, task.num_examples)


def value_of(task: TaskEvaluation, metric: str) -> float:
    """A metric of the evaluation, gated or reported."""
    return task.score.value if task.metric == metric else task.others[metric]


def line(task: TaskEvaluation) -> str:
    """One task beside its floor and its classical baseline."""
    score, floor = task.score, task.floor_score
    classical = f", {task.baseline} {task.baseline_score.value:.3f}" if task.baseline_score else ""
    return (
        f"{task.task:18} {task.metric:10} {score.value:.3f} [{score.low:.3f}, {score.high:.3f}]  {task.floor} "
        f"{floor.value:.3f}{classical}  n {task.num_examples:,} ({task.data_origin})"
    )


def shrunk(suite: Suite) -> Suite:
    """A few rows and steps of every task."""
    limits = {"train": 160, "val": 40, "test": 80}
    tasks = [task.model_dump(mode="json") | {"limits": limits} for task in suite.tasks]
    training = suite.training.model_dump(mode="json") | {"max_steps": 6, "evaluate_every": 6}
    content = suite.model_dump(mode="json") | {"tasks": tasks, "training": training}
    return Suite.model_validate(content, strict=False)


def _report(step: int, total: int, losses: dict[str, float]) -> None:
    if step % 50 == 0:
        print(f"step {step}/{total} " + " ".join(f"{name} {loss:.3f}" for name, loss in losses.items()), flush=True)


if __name__ == "__main__":
    main()
