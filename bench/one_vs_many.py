"""One shared model against one model per task: compute, and non-inferiority of every task.

Both arms use the same encoder, data, optimiser settings and seeds. A single-task model trains on its task alone, for
at most 8 epochs of it, and stops early by itself (`polymart.training.single`); its step takes one micro-batch, about
what the task has in a step of the shared model, which is scored at one step for all tasks.
Compute is processor time of training, so that a busy machine does not change the ratio; a GPU is left alone unless
``--gpu`` asks for it, where many seeds take minutes: what shares a GPU takes each other's time, so that form says
nothing of compute.

Six seeds make the claim (three runs can never be significant); each finished run is kept under ``<work>/bench``, and
the same command goes on with the next. ``--processes`` trains several at a time. The full form writes
bench/results/one_vs_many.json, or one_vs_many_gpu.json.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed

from bench import claim, machine
from bench._examples import examples_of
from bench.quality import shrunk
from polymart.config import Settings, Suite, load_suite
from polymart.data.example_index import read_examples, read_examples_index
from polymart.evaluation.metrics import metric_of
from polymart.evaluation.paired import MIN_SEEDS, PairedComparison, compare_arms
from polymart.evaluation.scoring import score_test_rows
from polymart.files import atomic_folder, canonical_json, digest_text, read_json, write_json
from polymart.model.predictor import Predictor
from polymart.tasks import kind_of
from polymart.training.loop import train_suite
from polymart.training.single import CODE, single_suite
from polymart.version import library_version

CLAIM = Path(__file__).parents[1] / "suites" / "claim.yaml"
RESULTS = Path(__file__).parent / "results" / "one_vs_many.json"
PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    """Train what is missing, compare, print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--seeds", type=int, default=MIN_SEEDS, help="seeds in all, finished ones included")
    parser.add_argument("--processes", type=int, default=1, help="runs at a time")
    parser.add_argument("--gpu", action="store_true", help="train there")
    parser.add_argument("--precision", choices=PRECISIONS, help="instead of the suite's")
    options = parser.parse_args()
    if not options.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif not torch.cuda.is_available():
        parser.error("--gpu needs a GPU that torch can use, found none; leave it out")
    suite = load_suite(CLAIM)
    seeds = range(1 if options.small else options.seeds)
    if options.precision:
        training = suite.training.model_copy(update={"precision": options.precision})
        suite = suite.model_copy(update={"training": training})
    if options.small:
        suite = shrunk(suite)
    examples, encoder = examples_of(suite)
    present = read_examples_index(examples).tasks
    suite = suite.model_copy(update={"tasks": [task for task in suite.tasks if task.name in present]})
    runs = run_seeds(suite, seeds, examples, encoder, options.processes)
    report(suite, runs, examples, options.small, options.gpu)


def run_seeds(
    suite: Suite, seeds: Sequence[int], examples: Path, encoder: Path, processes: int = 1
) -> list[dict[str, Any]]:
    """For each seed, the runs of both arms, ``processes`` at a time, which share the cores."""
    rows = {name: about.rows["train"] for name, about in read_examples_index(examples).tasks.items()}
    arms = {"shared": suite} | {task.name: single_suite(suite, task.name, rows[task.name]) for task in suite.tasks}
    finished = Parallel(n_jobs=processes, return_as="generator")(
        delayed(run)(arm, name, seed, examples, encoder) for seed in seeds for name, arm in arms.items()
    )
    runs = []
    for seed in seeds:
        runs.append(dict(zip(arms, islice(finished, len(arms)), strict=True)))
        print(
            f"seed {seed}: shared {runs[-1]['shared']['cpu_s']:.0f} s, singles {_singles(runs[-1]):.0f} s", flush=True
        )
    return runs


def run(arm: Suite, name: str, seed: int, examples: Path, encoder: Path) -> dict[str, Any]:
    """Train and score one arm with one seed, unless that was done before."""
    arm = arm.model_copy(update={"seed": seed})
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parts = [arm.digest, read_examples_index(examples).digest, library_version(*CODE, "evaluation"), device]
    key = digest_text(canonical_json(parts)).removeprefix("sha256:")[:12]
    folder = Settings().work_dir / "bench" / "one_vs_many" / f"{name}-{seed}-{key}"
    if not (folder / "run.json").is_file():
        with atomic_folder(folder) as temporary:
            started = time.process_time()
            _, log = train_suite(examples, encoder, arm, temporary / "checkpoint")
            seconds = time.process_time() - started
            predictor = Predictor.load(temporary / "checkpoint", device)
            for task in arm.tasks:
                np.save(temporary / f"{task.name}.npy", score_test_rows(predictor, task, examples).scores)
            shutil.rmtree(temporary / "checkpoint")  # 93 MB that nothing reads again
            write_json(temporary / "run.json", {"cpu_s": seconds, "best_step": log.best_step, "steps": len(log.loss)})
    return {**read_json(folder / "run.json"), "folder": folder}


def report(suite: Suite, runs: Sequence[dict[str, Any]], examples: Path, small: bool, gpu: bool = False) -> None:
    """Compare the arms task by task and print the claims."""
    labels = {name: about.labels for name, about in read_examples_index(examples).tasks.items()}
    compared: dict[str, PairedComparison] = {}
    for task in suite.tasks:
        frame = read_examples(examples, task.name)
        test = frame[frame["split"] == "test"]
        label = kind_of(task.kind).metric_label(test, task, labels[task.name])
        arms = {arm: [np.load(r[arm]["folder"] / f"{task.name}.npy") for r in runs] for arm in ("shared", task.name)}
        compared[task.name] = compare_arms(
            task.metric, metric_of(task.metric, task.kind), label, arms["shared"], arms[task.name], test[task.cluster]
        )
        found = compared[task.name]
        print(
            f"{task.name:18} {task.metric:10} shared {found.candidate:.4f} single {found.reference:.4f} difference "
            f"{found.difference.value:+.4f} [{found.difference.low:+.4f}, {found.difference.high:+.4f}] lower bound "
            f"{found.lower_bound:+.4f} margin {found.margin:.4f}: {found.outcome}",
            flush=True,
        )
    compute = float(np.mean([r["shared"]["cpu_s"] for r in runs]) / np.mean([_singles(r) for r in runs]))
    if not gpu:
        claim("training compute, shared over singles", compute, "<= 0.5", compute <= 0.5, len(runs))
    if small:
        return
    passed = sum(found.outcome == "pass" for found in compared.values())
    goal = f"{len(compared)} of {len(compared)}, {MIN_SEEDS} seeds"
    holds = passed == len(compared) and len(runs) >= MIN_SEEDS
    claim("tasks that are non-inferior to their single-task model", passed, goal, holds, len(runs))
    content = {
        "machine": machine() | ({"gpu": torch.cuda.get_device_name()} if gpu else {}),
        "suite": suite.digest,
        **({} if gpu else {"compute_ratio": compute}),
        "seeds": [{arm: {k: v for k, v in r.items() if k != "folder"} for arm, r in one.items()} for one in runs],
        "tasks": {
            name: asdict(found) | {"difference": found.difference.model_dump(), "outcome": found.outcome}
            for name, found in compared.items()
        },
    }
    write_json(RESULTS.with_stem(f"{RESULTS.stem}_gpu") if gpu else RESULTS, content)


def _singles(one: dict[str, Any]) -> float:
    return sum(r["cpu_s"] for name, r in one.items() if name != "shared")


if __name__ == "__main__":
    main()
