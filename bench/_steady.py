"""A service at a steady share of what it can do at most: its tail beside a single caller's median, and its memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median
from typing import Any

import psutil

from bench import claim
from bench._contenders import OURS, ours, peers
from bench._faults import counted, worker_of
from bench._load import Load, at_rate, endless, saturate
from bench._queue import cores_needed, queue_tail
from bench._shop_service import ShopService
from serving.server import Server

CLIENTS = 32
SHARE = 0.7
"""Of saturation, at which latency and memory are looked at."""
MAX_TAIL = 5.0
"""Goal of p99 over one caller's median."""
SETTLED_MINUTES = 8
"""By then the cache of vectors is full."""


def latency(shop: ShopService, texts: list[str], seconds: float) -> None:
    """Start-up, memory, and the tails at `SHARE` of saturation: peers, ours, and ours at the better peer's rate."""
    tails = {}
    for peer, start in peers(shop).items():
        with start() as server:
            tails[peer] = _tail(peer, server, endless(texts), seconds)
    peer, (rate, tail_ms) = max(tails.items(), key=lambda found: found[1][0])
    bodies = endless(texts)
    with ours(shop.bento, shop.store) as server:
        claim("seconds from start to ready", server.ready_s, "<= 10", server.ready_s <= 10, 1)
        _tail(OURS, server, bodies, seconds)
        load = at_rate(f"{server.url}/understand", bodies, rate, 3 * seconds)
        megabytes = worker_of(server).memory_info().rss / 1e6
        print(f"{counted(server, 'encoder_texts'):.0f} texts encoded", flush=True)
    times = tail_ms / load.percentile(99)
    claim(f"p99 of {peer} over {OURS}'s, both at {rate:.1f}/s", times, ">= 1", times >= 1, load.statuses[200])
    claim("resident memory of the worker, MB", megabytes, "< 1000", megabytes < 1000, 1)


def _tail(name: str, server: Server, bodies: Iterator[dict[str, Any]], seconds: float) -> tuple[float, float]:
    """p99 at `SHARE` of saturation over one caller's median, for callers at random times and for evenly spaced ones.

    Random times are what customers do and what the goal is held against. Load generators such as k6 or vegeta space
    their requests evenly, which spares a service much of its queue; the second figure is for comparing with theirs.

    Returns:
        Requests a second, and p99 in milliseconds at random times.
    """
    url = f"{server.url}/understand"
    rate = SHARE * saturate(url, bodies, CLIENTS, seconds).rate
    lonely = saturate(url, bodies, 1, seconds)
    alone = lonely.percentile(50)
    print(f"{name}: {SHARE:.0%} of saturation {rate:.1f}/s, one caller's median {alone:.1f} ms", flush=True)
    loads = {}
    for arrivals, even in (("at random times", False), ("evenly spaced", True)):
        before = psutil.cpu_times()
        loads[arrivals] = load = at_rate(url, bodies, rate, 3 * seconds, even=even)
        tail, answered = load.percentile(99) / alone, load.statuses[200]
        tenths = sorted(load.percentile_in_tenths(99))
        print(
            f"{name}, {arrivals}: p99 {load.percentile(99):.0f} ms; in tenths of the answers {tenths[0]:.0f} to "
            f"{tenths[-1]:.0f}, half of them below {median(tenths):.0f}; {_taken_away(before):.1%} of the processor "
            "time went to other guests of the host",
            flush=True,
        )
        text = f"{name}: p99 at {SHARE:.0%} of saturation, {arrivals}, over one caller's median"
        held = name == OURS and arrivals == "at random times"
        claim(text, tail, f"<= {MAX_TAIL:g}" if held else "stated", tail <= MAX_TAIL or not held, answered)
    if name == OURS:
        _least_tails(lonely)
    return rate, loads["at random times"].percentile(99)


def _least_tails(lonely: Load) -> None:
    """What a queue of the lonely caller's requests alone makes of the tail (see `bench._queue`), one request a core."""
    times = lonely.latency_ms
    for cores in (2, 4):
        for arrivals, even in (("at random times", False), ("evenly spaced", True)):
            text = f"p99 of a queue alone on {cores} cores busy {SHARE:.0%}, {arrivals}, over one caller's median"
            claim(text, queue_tail(times, cores, SHARE, even=even), "stated", True, len(times))
    text = f"fewest cores on which a queue alone stays within {MAX_TAIL:g} times at {SHARE:.0%}, random times"
    claim(text, cores_needed(times, SHARE, MAX_TAIL), "stated", True, len(times))


def _taken_away(before: Any) -> float:
    """Share of all processor time since ``before`` that the host of a virtual machine gave to others; 0 elsewhere."""
    now = psutil.cpu_times()
    stolen = getattr(now, "steal", 0.0) - getattr(before, "steal", 0.0)
    return float(stolen / max(sum(now) - sum(before), 1e-9))


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
