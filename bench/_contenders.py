"""The services of `bench.serving`: the bento of a shop, and what a shop would write first (`bench._plain_services`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from bench._faults import SETTINGS
from bench._plain_services import SETTING
from bench._shop_service import ShopService
from polymart.config import Settings
from polymart.data.archives import fetch
from polymart.data.example_index import read_examples_index
from serving.packaging import packaged_checkpoint
from serving.server import HOST, Server, free_port, running, serve_environment, started
from serving.texts import is_understood

PER_HEAD, SHARED, OURS = "a pipeline per head", "one eager encoder", "polymart"
Starts = dict[str, Callable[[], AbstractContextManager[Server]]]
"""How each service is started."""


def ours(bento: Path, store: Path | None = None) -> AbstractContextManager[Server]:
    """Start a bento of ours."""
    return running(bento, store, timeout_s=120, settings=SETTINGS)


def peers(shop: ShopService) -> Starts:
    """The plain services with the tasks, the labels and the limits of the shop's bento."""
    index = read_examples_index(shop.examples).tasks
    served = [task for task in shop.suite.tasks if is_understood(task)]
    per_head = {
        "encoder": str(fetch(shop.suite.encoder.dataset, Settings())),
        "labels": {task.name: max(len(index[task.name].labels or ()), 1) for task in served},
        "max_tokens": {task.name: shop.suite.max_tokens(task) for task in served},
    }
    shared = {"checkpoint": str(packaged_checkpoint(shop.bento))}
    return {PER_HEAD: lambda: _plain("PipelinePerHead", per_head), SHARED: lambda: _plain("SharedEager", shared)}


def _plain(service: str, served: Mapping[str, object]) -> AbstractContextManager[Server]:
    """Start one of `bench._plain_services` as its author would."""
    port, root = free_port(), Path(__file__).parents[1]
    command = [sys.executable, "-m", "bentoml", "serve", f"bench._plain_services:{service}"]
    command += ["--working-dir", str(root), "--host", HOST, "--port", str(port)]
    environment = serve_environment(None) | {SETTING: json.dumps(dict(served)), "PYTHONPATH": str(root)}
    return started(command, environment, port, 180)
