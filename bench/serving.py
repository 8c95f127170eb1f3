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
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from bench import claim, machine
from bench._faults import SETTINGS, counted, disk_full, store_gone, worker_killed, worker_of
from bench._load import at_rate, endless, saturate
from bench._plain_services import SETTING
from bench._shop_service import ShopService, one_step, shop_service
from polymart.config import Settings, Task
from polymart.data.archives import fetch
from polymart.data.example_index import read_examples_index
from polymart.model.predictor import Predictor
from serving.contract.base import MAX_TEXT
from serving.features import OnlineFeatures
from serving.packaging import build_bento, packaged_checkpoint
from serving.precision import MIN_OVERLAP, golden_of_runtime, sample_columns
from serving.server import HOST, Server, free_port, running, serve_environment, started
from serving.texts import is_understood

CLIENTS = 32
PER_HEAD, SHARED, OURS = "a pipeline per head", "one eager encoder", "polymart"
GOALS = {PER_HEAD: 8.0, SHARED: 2.0}
HEADS = ("intent", "emotion", "sentiment", "valence", "review_quality", "answer")
TRAINED = (*HEADS, "next_category")
ALONE = {"intent": "questions", "review_quality": "reviews"}
"""Heads that are also served alone, and the texts that both are asked: short ones, and ones that are cut."""
PARTS = ("precision", "throughput", "heads", "latency", "faults", "soak")
SHARE = 0.7
"""Of saturation, at which latency and memory are looked at."""
SETTLED_MINUTES = 8
"""By then the cache of vectors is full."""
Starts = dict[str, Callable[[], AbstractContextManager[Server]]]


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


def ours(bento: Path, store: Path | None = None) -> AbstractContextManager[Server]:
    """Start a bento of ours."""
    return running(bento, store, timeout_s=120, settings=SETTINGS)


def plain(service: str, served: Mapping[str, object]) -> AbstractContextManager[Server]:
    """Start one of `bench._plain_services` as its author would."""
    port, root = free_port(), Path(__file__).parents[1]
    command = [sys.executable, "-m", "bentoml", "serve", f"bench._plain_services:{service}"]
    command += ["--working-dir", str(root), "--host", HOST, "--port", str(port)]
    environment = serve_environment(None) | {SETTING: json.dumps(dict(served)), "PYTHONPATH": str(root)}
    return started(command, environment, port, 180)


def throughput(shop: ShopService, texts: list[str], rounds: int, seconds: float) -> None:
    """Answers a second, beside the peers'."""
    index = read_examples_index(shop.examples).tasks
    served = [task for task in shop.suite.tasks if is_understood(task)]
    per_head = {
        "encoder": str(fetch(shop.suite.encoder.dataset, Settings())),
        "labels": {task.name: max(len(index[task.name].labels or ()), 1) for task in served},
        "max_tokens": {task.name: shop.suite.max_tokens(task) for task in served},
    }
    shared = {"checkpoint": str(packaged_checkpoint(shop.bento))}
    contenders: Starts = {
        OURS: lambda: ours(shop.bento),
        PER_HEAD: lambda: plain("PipelinePerHead", per_head),
        SHARED: lambda: plain("SharedEager", shared),
    }
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
        contenders: Starts = {OURS: lambda: ours(shop.bento), head: lambda bento=bento: ours(bento)}
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


def latency(shop: ShopService, texts: list[str], seconds: float) -> None:
    """Start-up, memory, and the tail at `SHARE` of saturation beside a single caller's median."""
    with ours(shop.bento, shop.store) as server:
        claim("seconds from start to ready", server.ready_s, "<= 10", server.ready_s <= 10, 1)
        url, bodies = f"{server.url}/understand", endless(texts)
        rate = saturate(url, bodies, CLIENTS, seconds).rate
        alone = saturate(url, bodies, 1, seconds).percentile(50)
        load = at_rate(url, bodies, SHARE * rate, 3 * seconds)
        megabytes = worker_of(server).memory_info().rss / 1e6
        encoded, answered = counted(server, "encoder_texts"), load.statuses[200]
    print(f"saturation {rate:.1f}/s, one caller's median {alone:.1f} ms, {encoded:.0f} texts encoded", flush=True)
    tail = load.percentile(99) / alone
    claim(f"p99 at {SHARE:.0%} of saturation over one caller's median", tail, "<= 5", tail <= 5, answered)
    claim("resident memory of the worker, MB", megabytes, "< 1000", megabytes < 1000, 1)


def faults(shop: ShopService, texts: list[str], disk: Path, seconds: float) -> None:
    """What the callers see of three faults."""
    worker_killed(shop, texts, 30)  # a new worker takes some of it to start
    disk_full(shop, texts, seconds, disk)
    rows = pd.read_parquet(shop.examples / "next_category.parquet", columns=["household_id"])
    store_gone(shop, household=int(rows["household_id"].iloc[-1]))


def soak(shop: ShopService, texts: list[str], minutes: float) -> None:
    """Memory of the worker under steady load, from when its cache is full to the end."""
    settled = min(SETTLED_MINUTES, minutes / 3)
    megabytes: list[float] = []
    statuses: Counter[int] = Counter()
    with ours(shop.bento, shop.store) as server:
        url, bodies, worker = f"{server.url}/understand", endless(texts), worker_of(server)
        rate = SHARE * saturate(url, bodies, CLIENTS, 5).rate
        slices = max(6, round(6 * minutes))
        for seed in range(slices):
            load = at_rate(url, bodies, rate, 60 * minutes / slices, seed)
            statuses += load.statuses
            megabytes.append(worker.memory_info().rss / 1e6)
    steady = megabytes[round(slices * settled / minutes) :]
    part = max(1, len(steady) // 5)
    growth = median(steady[-part:]) / median(steady[:part]) - 1
    print(f"{rate:.1f}/s for {minutes:g} minutes, memory {[round(value) for value in megabytes[:: slices // 6]]} MB")
    print(f"answers by status: {dict(statuses)}", flush=True)
    failed = statuses.total() - statuses[200]
    claim("growth of the worker's memory, last fifth over first", growth, "<= 0.02", growth <= 0.02, len(steady))
    claim("requests that failed", failed, "0", failed == 0, statuses.total())


if __name__ == "__main__":
    main()
