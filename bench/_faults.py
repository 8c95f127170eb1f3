"""Faults of a running service: its worker killed under load, the disk of its log full, its online store gone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from bench import claim
from bench._load import NO_ANSWER, endless, saturate
from bench._shop_service import ShopService
from serving.server import Server, running

CLIENTS = 16
LOG_BYTES = 64 * 1024
"""Size of the disk that fills up."""
SETTINGS = {"POLYMART_REQUESTS_PER_MINUTE": "100000"}
"""A benchmark asks more often than a caller may by default."""


def worker_of(server: Server) -> psutil.Process:
    """The process that holds the model: the largest below the one that supervises."""
    below = psutil.Process(server.pid).children(recursive=True)
    return max(below, key=lambda process: process.memory_info().rss)


def worker_killed(shop: ShopService, texts: list[str], seconds: float) -> None:
    """SIGKILL under load: whoever had asked hears 503, whoever asks afterwards waits for the new worker."""
    with running(shop.bento, shop.store, timeout_s=120, settings=SETTINGS) as server:
        killer = threading.Timer(seconds / 3, lambda: worker_of(server).send_signal(signal.SIGKILL))
        killer.start()
        load = saturate(f"{server.url}/understand", endless(texts), CLIENTS, seconds)
        killer.join()
    total, refused, lost = load.statuses.total(), load.statuses[503], load.statuses[NO_ANSWER]
    claim("a worker is killed: requests without an answer", lost, "0", lost == 0, total)
    goal = f"1 to {CLIENTS}, those in flight"
    claim("a worker is killed: requests answered with 503", refused, goal, 1 <= refused <= CLIENTS, total)
    other = total - refused - lost - load.statuses[200]
    claim("a worker is killed: answers that are neither 200 nor 503", other, "0", other == 0, total)


def disk_full(shop: ShopService, texts: list[str], seconds: float, folder: Path) -> None:
    """The disk of the prediction log fills up: answers go on, and lost rows are counted."""
    with small_disk(folder) as disk:
        if disk is None:
            print("skipped: a disk that fills up needs the right to mount one (root on Linux)", flush=True)
            return
        settings = SETTINGS | {"POLYMART_PREDICTION_LOG": str(disk), "POLYMART_PSEUDONYM_KEY": "only for this bench"}
        with running(shop.bento, shop.store, timeout_s=120, settings=settings) as server:
            load = saturate(f"{server.url}/understand", endless(texts), CLIENTS, seconds)
            written, dropped = (counted(server, f"prediction_log_{what}") for what in ("written", "dropped"))
    failed = load.statuses.total() - load.statuses[200]
    claim("the log's disk is full: requests that fail", failed, "0", failed == 0, load.statuses.total())
    rows = int(written + dropped)
    claim("the log's disk is full: rows counted as dropped", dropped, "> 0", dropped > 0, rows)


def store_gone(shop: ShopService, household: int) -> None:
    """The online store loses its tables: answers come from defaults and say so, until it is back."""
    body = {"household_id": household, "top": 5}
    with running(shop.bento, shop.store, timeout_s=120, settings=SETTINGS) as server:
        client = httpx.Client(base_url=server.url, timeout=30)
        states = [_degraded(client, body)]
        with emptied(max(shop.store.rglob("*.db"), key=lambda path: path.stat().st_size)):
            states += [_degraded(client, body) for _ in range(20)]
        states.append(_degraded(client, body))
    marked = sum(state is True for state in states[1:-1])
    claim("the online store is gone: answers from defaults, marked as such", marked, "20", marked == 20, 20)
    whole = states[0] is False and states[-1] is False
    claim("answers before and after are whole", float(whole), "1", whole, 2)


def counted(server: Server, name: str) -> float:
    """A counter of the service, added up over its labels."""
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    return sum(float(value) for value in re.findall(rf"^polymart_{name}_total(?:{{.*}})? (\S+)$", text, re.MULTILINE))


@contextmanager
def emptied(file: Path) -> Iterator[None]:
    """Take a file's content away for a while; whoever holds it open sees that, too."""
    kept = file.with_suffix(".kept")
    shutil.copyfile(file, kept)
    os.truncate(file, 0)
    try:
        yield
    finally:
        shutil.copyfile(kept, file)
        kept.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of `LOG_BYTES` at ``folder``; None where this process may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={LOG_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        while subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode:
            time.sleep(0.2)  # the server's last file is being closed


def _degraded(client: httpx.Client, body: dict[str, int]) -> bool | None:
    answer = client.post("/recommend", json=body)
    return bool(answer.json()["degraded"]) if answer.status_code == 200 else None
