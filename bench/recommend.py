"""`/recommend` over the whole catalogue: latency at 20 requests a second, and how near the index comes to exact search.

The bento of a checkpoint of suites/shop.yaml is built, started with an online store of the shop's tables and
asked over HTTP, open loop: a request is sent at its time whether or not the one before has been answered, and its
latency counts from that time. Recall compares with scoring every product exactly.

The service reads the histories of the store's households ahead (`serving.ahead`), which is waited for; what a household
waits that was not read is stated beside it.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from bench import claim
from bench._faults import counted
from bench._load import at_rate, saturate
from bench._shop_service import one_step, shop_service
from polymart.model.predictor import Predictor
from serving.ahead import SETTING
from serving.catalogue import NEXT_PRODUCT, SEARCH, ProductRanking, Rules, catalogue_folder, open_catalogue
from serving.packaging import packaged_checkpoint
from serving.server import Server, running

TASKS = ("next_category", NEXT_PRODUCT, SEARCH)
RATE, TOP = 20, 10
"""Requests a second, and products asked for."""
P50_MS, P99_MS, RECALL = 15, 50, 0.98
"""Goals: latencies on two idle cores, and recall@10."""
WARM_UP_S = 2
READ_PAUSE_S = 2.0
"""Without another history read ahead for so long, none is missing."""
Body = Callable[[int], dict[str, Any]]


def main() -> None:
    """Measure one checkpoint and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="of suites/shop.yaml; none trains a single step")
    parser.add_argument("--small", action="store_true", help="fewer requests, fewer households")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shop = shop_service(arguments.checkpoint or one_step(Path(folder) / "checkpoint", TASKS))
        households = test_rows(shop.examples, NEXT_PRODUCT)
        measure_recall(
            packaged_checkpoint(shop.bento), households.sample(50 if arguments.small else 500, random_state=17)
        )
        ids = households["household_id"].drop_duplicates().sample(frac=1, random_state=17).tolist()
        queries = test_rows(shop.examples, SEARCH)["query"].drop_duplicates().tolist()
        seconds = 5 if arguments.small else 60
        recommend: Body = lambda i: {"household_id": ids[i % len(ids)], "top": TOP}  # noqa: E731
        with running(shop.bento, shop.store, timeout_s=120) as server:
            read_ahead(server)
            measure_latency(server.url, "recommend", recommend, seconds)
            measure_latency(server.url, "search", lambda i: {"query": queries[i % len(queries)], "top": TOP}, seconds)
        with running(shop.bento, shop.store, timeout_s=120, settings={SETTING: "0"}) as server:
            measure_latency(server.url, "recommend", recommend, seconds, "of households not read ahead ")


def read_ahead(server: Server) -> None:
    """Wait until the histories of the store's households are encoded, and tell how long that took."""
    started, last = time.perf_counter(), -1.0
    while (now := counted(server, "histories_ahead")) != last:
        last = now
        time.sleep(READ_PAUSE_S)
    seconds = time.perf_counter() - started - READ_PAUSE_S
    print(f"{last:.0f} histories were read ahead, the last {seconds:.0f} s after the service was ready", flush=True)


def test_rows(examples: Path, task: str) -> pd.DataFrame:
    """The test split of a task's example table."""
    frame = pd.read_parquet(examples / f"{task}.parquet")
    return frame[frame["split"] == "test"]


def measure_recall(checkpoint: Path, rows: pd.DataFrame) -> None:
    """Share of the ten best products, by scoring all of them exactly, that the service's ranking holds."""
    predictor = Predictor.load(checkpoint)
    ranking = open_catalogue(catalogue_folder(checkpoint), predictor).ranking
    assert ranking is not None, "the shop recommends products"
    predictor.use_item_vectors(NEXT_PRODUCT, torch.from_numpy(np.array(ranking.mapped.vectors_VD)))
    exact_BK, _ = predictor.top_items(NEXT_PRODUCT, rows, TOP)
    ids_I = predictor.catalogues[NEXT_PRODUCT].ids_I
    shares = [
        len(set(ids_I[best_K]) & found(predictor, ranking, rows.iloc[[row]])) / TOP
        for row, best_K in enumerate(exact_BK)
    ]
    value = float(np.mean(shares))
    text = f"recall@{TOP} of /recommend among {len(ids_I):,} products"
    claim(text, value, f">= {RECALL}", value >= RECALL, len(shares))


def found(predictor: Predictor, ranking: ProductRanking, row: pd.DataFrame) -> set[Any]:
    """Ids of the products that the service would recommend."""
    batch = predictor.collators[NEXT_PRODUCT](row)
    with torch.inference_mode():
        text_BD = predictor.model.encode(NEXT_PRODUCT, batch)
    assert text_BD is not None, "next_product reads a text"
    return {product["item_id"] for product in ranking.top(batch, text_BD, Rules(top=TOP))}


def measure_latency(url: str, endpoint: str, body_of: Body, seconds: int, which: str = "") -> None:
    """Latency percentiles at `RATE` requests a second on average, at random times; ``which`` names no goal's case."""
    bodies = (body_of(i) for i in itertools.count())
    saturate(f"{url}/{endpoint}", bodies, 1, WARM_UP_S)
    load = at_rate(f"{url}/{endpoint}", bodies, RATE, seconds)
    failed = load.statuses.total() - load.statuses[200]
    assert not failed, f"{failed} requests failed"
    for percent, goal in ((50, P50_MS), (99, P99_MS)):
        value = load.percentile(percent)
        text = f"p{percent} of /{endpoint} {which}at {RATE} requests/s, ms"
        claim(text, value, "stated" if which else f"< {goal}", bool(which) or value < goal, len(load.latency_ms))


if __name__ == "__main__":
    main()
