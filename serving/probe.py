"""Probe a bento: start it, ask it, compare every head with the trainer's code, measure, stop it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np

from polymart.errors import CheckpointError, ReleaseError
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import verify_checkpoint
from serving.contract import MAX_ID
from serving.golden import Golden, answered_scores, difference, unserved_tasks
from serving.packaging import packaged_checkpoint
from serving.precision import MAX_DIFFERENCE, golden_of_runtime
from serving.server import Server, running
from serving.startup import open_features

TOLERANCE = 1e-4
"""Largest accepted difference of a score, relative where the score is above 1 (units), from the trainer's code on the
vectors of the same runtime; what the runtime's precision changes is judged by `serving.precision`."""
REQUEST_TIMEOUT_S = 30.0
REQUESTS, DISTINCT = 500, 60
"""Requests in all, enough that the second slowest bounds the 99th percentile at 95 % (one hiccup of the machine decides
nothing), and distinct ones, each of which costs the trainer's answer too."""


def probe_outcome(bento: Path, checkpoint: Path, examples: Path, feature_store: Path) -> dict[str, Any]:
    """What `probe_bento` returns; a bento that fails its probe is a result too, which the gate ``probe`` judges.

    Returns:
        As `probe_bento`; of a bento that failed, ``status`` is ``"fail"``, ``cause`` tells why, ``log`` holds the
        whole message, and what was not measured is None or empty.
    """
    try:
        return probe_bento(bento, checkpoint, examples, feature_store)
    except ReleaseError as error:
        cause = error.message.partition("\n")[0]
        return _result(status="fail", cause=cause.partition("; the end of its log:")[0], log=str(error))


def probe_bento(
    bento: Path,
    checkpoint: Path,
    examples: Path,
    feature_store: Path,
    *,
    timeout_s: float = 90,
    requests: int = REQUESTS,
) -> dict[str, Any]:
    """Start exactly this bento and hold its answers against a `Predictor` of ``checkpoint``.

    Args:
        bento: folder written by `serving.packaging.build_bento`.
        checkpoint: the checkpoint it must serve; the reference for parity.
        examples: folder with ``<task>.parquet``; source of the golden requests.
        feature_store: materialised feature store that both sides read.
        timeout_s: seconds until the server must be ready.
        requests: how many are sent, one after another, golden requests in turn; at least one per task is sent.

    Returns:
        ``ready_s`` (seconds), ``p50_ms`` and ``p99_ms`` of a request and ``durations_ms`` of each (milliseconds),
        ``max_difference``, ``differences`` per task, ``tolerance``, ``precision`` (see `golden_of_runtime`),
        ``unserved`` (tasks without an endpoint, which nothing was asked about), ``status``, which is ``"pass"``, and
        ``cause`` and ``log``, which are empty.

    Raises:
        ReleaseError: the bento holds another checkpoint, its runtime's precision changes too much, it was not ready in
            time, a request failed, a head differs by more than `TOLERANCE`, or a broken request is not answered with
            its 4xx; holds the tail of the server's log.
    """
    _same_checkpoint(bento, checkpoint)
    predictor = Predictor.load(checkpoint)
    golden, precision = golden_of_runtime(
        predictor, packaged_checkpoint(bento), open_features(str(feature_store)), examples, min(requests, DISTINCT)
    )
    tolerance = TOLERANCE if precision["invariant"] else MAX_DIFFERENCE
    with running(bento, feature_store, timeout_s=timeout_s) as server:
        try:
            with httpx.Client(base_url=server.url, timeout=REQUEST_TIMEOUT_S) as client:
                asked = islice(cycle(golden), max(requests, len(golden)))
                differences, durations_ms = _ask(client, asked, predictor.checkpoint.digest)
                _check_refusals(client, {one.endpoint for one in golden})
            _check_parity(differences, tolerance)
        except (ReleaseError, httpx.HTTPError) as error:
            raise _with_log(error, server) from error
    return _result(
        status="pass",
        ready_s=round(server.ready_s, 3),
        p50_ms=float(np.percentile(durations_ms, 50)),
        p99_ms=float(np.percentile(durations_ms, 99)),
        durations_ms=durations_ms,
        max_difference=max(differences.values()),
        differences=differences,
        tolerance=tolerance,
        precision=precision,
        unserved=unserved_tasks(predictor),
    )


def _result(status: Literal["pass", "fail"], **measured: Any) -> dict[str, Any]:
    """``probe.json``; what was not measured is None or empty."""
    nothing = dict.fromkeys(("ready_s", "p50_ms", "p99_ms", "max_difference"))
    empty = {"durations_ms": [], "differences": {}, "precision": {}, "unserved": [], "cause": "", "log": ""}
    return {"status": status, "tolerance": TOLERANCE, **nothing, **empty, **measured}


def _same_checkpoint(bento: Path, checkpoint: Path) -> None:
    expected = verify_checkpoint(checkpoint)
    try:
        found = verify_checkpoint(packaged_checkpoint(bento))
    except CheckpointError as error:
        raise ReleaseError(
            f"the bento's checkpoint is broken: {error.message}", remedy="build the bento again"
        ) from error
    if found != expected:
        raise ReleaseError(f"the bento must hold checkpoint {expected}, found {found}", remedy="build the bento again")


def _ask(client: httpx.Client, golden: Iterable[Golden], digest: str) -> tuple[dict[str, float], list[float]]:
    """Send every request; the largest difference per task and every request's duration in milliseconds."""
    differences: dict[str, float] = {}
    durations_ms = []
    for one in golden:
        started = time.perf_counter()
        response = client.post(f"/{one.endpoint}", json=one.body)
        durations_ms.append(1000 * (time.perf_counter() - started))
        if response.status_code != 200:
            raise ReleaseError(f"/{one.endpoint} must answer 200, found {response.status_code}: {response.text[:500]}")
        answer = response.json()
        if answer["checkpoint"] != digest:
            raise ReleaseError(f"/{one.endpoint} must answer from checkpoint {digest}, found {answer['checkpoint']}")
        found = answered_scores(one.endpoint, answer)
        for task, expected in one.expected.items():
            gap = difference(found.get(task, {}), expected, exhaustive=one.exhaustive)
            differences[task] = max(differences.get(task, 0.0), gap)
    return differences, durations_ms


def _check_parity(differences: dict[str, float], tolerance: float) -> None:
    wrong = {task: gap for task, gap in differences.items() if not gap <= tolerance}
    if wrong:
        named = ", ".join(
            f"{task} by {gap:.3g}" if math.isfinite(gap) else f"{task} in its labels" for task, gap in wrong.items()
        )
        raise ReleaseError(
            f"the server's answers may differ from the trainer's by {tolerance}, found {named}",
            remedy="do not release; compare the bento's code and the checkpoint with the trainer's",
        )


def _check_refusals(client: httpx.Client, endpoints: set[str]) -> None:
    """Broken requests must get their own status and a message."""
    cases = [("understand", {"text": "   "}, 400), ("understand", {"text": 7}, 400)]
    if "recommend" in endpoints:
        cases.append(("recommend", {"household_id": MAX_ID}, 404))
    if "ads" in endpoints:
        cases.append(("ads", {"household_id": MAX_ID, "campaign_ids": [1]}, 404))
    if "demand" in endpoints:
        cases.append(("demand", {"category_id": MAX_ID, "store_id": 1}, 404))
    for endpoint, body, status in cases:
        response = client.post(f"/{endpoint}", json=body)
        if response.status_code != status or not response.json().get("error"):
            raise ReleaseError(
                f"/{endpoint} with {body} must answer {status} with an error message, "
                f"found {response.status_code}: {response.text[:300]}"
            )


def _with_log(error: Exception, server: Server) -> ReleaseError:
    message = error.message if isinstance(error, ReleaseError) else f"a request failed: {error!r}"
    remedy = getattr(error, "remedy", "") or "read the end of the server's log above, correct it and build again"
    return ReleaseError(f"{message}\nthe end of the server's log:\n{server.tail()}", remedy=remedy)
