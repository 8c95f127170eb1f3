"""`/understand` under load, beside what a shop would write first; faults; half an hour of load.

The peers are a plain BentoML service with one `transformers` pipeline for each head, and the same with one shared
eager float32 encoder (`bench._plain_services`). Services run one after another on the same machine, each in a fresh
server process, and are asked the same texts; no text is asked twice, so the cache helps nobody.

The bento of a checkpoint of suites/shop.yaml is built first; ``--checkpoint`` names one, else a single step is trained,
which costs the service the same.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from bench import claim, machine
from bench._contenders import OURS, PER_HEAD, SHARED, Starts, ours, peers
from bench._faults import disk_full, store_gone, worker_killed
from bench._load import endless, saturate
from bench._shop_service import ShopService, one_step, shop_service
from bench._steady import CLIENTS, latency, soak
from polymart.config import Task
from polymart.model.predictor import Predictor
from serving.contract.base import MAX_TEXT
from serving.features import OnlineFeatures
from serving.packaging import build_bento, packaged_checkpoint
from serving.precision import MIN_OVERLAP, golden_of_runtime, sample_columns
from serving.texts import is_understood

GOALS = {PER_HEAD: 8.0, SHARED: 2.0}
HEADS = ("intent", "emotion", "sentiment", "valence", "review_quality", "answer")
TRAINED = (*HEADS, "next_category")
ALONE = {"intent": "questions", "review_quality": "reviews"}
"""Heads that are also served alone, and the texts that both are asked: short ones, and ones that are cut."""
PARTS = ("precision", "throughput", "heads", "latency", "faults", "soak")


def main() -> None:
    """Measure and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="of suites/shop.yaml; none trains a single step")
    parser.add_argument("--small", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="measure these only")
    parser.add_argument("--soak", type=float, default=30, help="minutes of load at 70 %% of saturation")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        shop = shop_service(asked.checkpoint or one_step(made / "checkpoint", TRAINED))
        served = [task for task in shop.suite.tasks if is_understood(task)]
        texts = sampled(shop, served, 400 if asked.small else 4000)
        print(json.dumps(machine() | {"texts": len(texts), "heads": [task.name for task in served]}), flush=True)
        seconds, rounds = (4.0, 1) if asked.small else (20.0, 3)
        parts: dict[str, Callable[[], None]] = {
            "precision": lambda: precision(shop),
            "throughput": lambda: throughput(shop, texts, rounds, seconds),
            "heads": lambda: heads(shop, made, rounds, seconds),
            "latency": lambda: latency(shop, texts, seconds),
            "faults": lambda: faults(shop, texts, made / "disk", seconds),
            "soak": lambda: soak(shop, texts, 0.3 if asked.small else asked.soak),
        }
        for part in asked.parts:
            parts[part]()


def sampled(shop: ShopService, tasks: Sequence[Task], count: int) -> list[str]:
    """Texts of the tasks' example tables in random order, without those that the contract refuses for their length."""
    texts = [text for text in sample_columns(shop.examples, tasks, count) if len(text) < MAX_TEXT - 10]
    np.random.default_rng(17).shuffle(texts)
    return texts


def precision(shop: ShopService) -> None:
    """What the runtime that the service chooses here changes against eager float32."""
    packaged = packaged_checkpoint(shop.bento)
    predictor = Predictor.load(packaged)
    _, found = golden_of_runtime(predictor, packaged, OnlineFeatures(shop.store), shop.examples, 20)
    text = f"neighbour overlap of {found['runtime']} with eager float32"
    claim(text, found["overlap"], f">= {MIN_OVERLAP}", found["overlap"] >= MIN_OVERLAP, found["texts"])
    claim("largest difference of a score", found["difference"], "<= 0.02", found["difference"] <= 0.02, 20)


def throughput(shop: ShopService, texts: list[str], rounds: int, seconds: float) -> None:
    """Answers a second, beside the peers'."""
    contenders: Starts = {OURS: lambda: ours(shop.bento), **peers(shop)}
    found = rates(contenders, texts, rounds, seconds)
    for peer, goal in GOALS.items():
        ratio = found[OURS] / found[peer]
        claim(f"/understand at {CLIENTS} clients, times {peer}", ratio, f">= {goal}", ratio >= goal, rounds)


def heads(shop: ShopService, folder: Path, rounds: int, seconds: float) -> None:
    """What the other heads cost beside one."""
    for head, asked in ALONE.items():
        bento = folder / head
        build_bento(one_step(folder / f"{head}-checkpoint", (head,)), bento)
        texts = sampled(shop, [shop.suite.task(head)], 2000)
        contenders: Starts = {OURS: lambda: ours(shop.bento), head: partial(ours, bento)}
        found = rates(contenders, texts, rounds, seconds)
        cost = found[head] / found[OURS]
        claim(f"cost of {len(HEADS)} heads over {head} alone, {asked}", cost, "<= 1.1", cost <= 1.1, rounds)


def rates(contenders: Starts, texts: list[str], rounds: int, seconds: float) -> dict[str, float]:
    """Answers a second at `CLIENTS` clients, all contenders by turns; medians over the rounds."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, start in contenders.items():
            with start() as server:
                url, bodies = f"{server.url}/understand", endless(texts)
                saturate(url, bodies, CLIENTS, seconds / 4)
                load = saturate(url, bodies, CLIENTS, seconds)
            found[name].append(load.rate)
            print(f"{name}: {load.rate:.1f}/s, p50 {load.percentile(50):.0f} ms, {dict(load.statuses)}", flush=True)
    return {name: median(several) for name, several in found.items()}


def faults(shop: ShopService, texts: list[str], disk: Path, seconds: float) -> None:
    """What the callers see of three faults."""
    worker_killed(shop, texts, 30)  # a new worker takes some of it to start
    disk_full(shop, texts, seconds, disk)
    rows = pd.read_parquet(shop.examples / "next_category.parquet", columns=["household_id"])
    store_gone(shop, household=int(rows["household_id"].iloc[-1]))


if __name__ == "__main__":
    main()
