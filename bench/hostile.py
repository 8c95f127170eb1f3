"""Hostile requests against a running service: none may be answered with a 5xx, hang, or be shown a stack trace.

Half of them schemathesis makes from the service's own OpenAPI document (bodies that fit it and bodies that just do
not), the others are what no document describes: broken JSON, foreign content types, bytes, depth, numbers without end.
10,000 requests go to ``--url``, or to the release that `polymart serve` would serve; ``--small`` sends 500.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from bench import claim, machine

LIMIT_S = 35.0
"""Seconds after which a request counts as hanging; the service itself gives up after 30."""
KINDS = ["application/json", "application/JSON; charset=utf-16", "text/plain", "multipart/form-data; boundary=x", "",
         "application/x-www-form-urlencoded", "application/vnd.bentoml+pickle", "image/png", "image/jpeg", "a/b; c=\"",
         "application/vnd.apache.arrow.stream"]  # fmt: skip
TRACES = ("Traceback", 'File "', "site-packages")


@dataclass(frozen=True)
class Hostile:
    """One request."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a hostile request was answered with; ``status`` is 0 where there was no answer in time."""

    status: int
    traced: bool
    seconds: float


Send = Callable[[Hostile], tuple[int, str]]


def attack(openapi: dict[str, Any], send: Send, count: int) -> list[tuple[Hostile, Outcome]]:
    """Send ``count`` hostile requests, one after another, always the same ones for the same document."""
    outcomes: list[tuple[Hostile, Outcome]] = []

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(hostile_requests(openapi))
    def one(hostile: Hostile) -> None:
        started = time.monotonic()
        status, text = send(hostile)
        traced = any(mark in text for mark in TRACES)
        outcomes.append((hostile, Outcome(status, traced, time.monotonic() - started)))

    one()
    return outcomes


def hostile_requests(openapi: dict[str, Any]) -> st.SearchStrategy[Hostile]:
    """Requests made from an OpenAPI document, and raw ones to its paths."""
    # BentoML says 3.0, but its schemas are pydantic's: JSON Schema as in OpenAPI 3.1.
    document = schemathesis.openapi.from_dict(openapi | {"openapi": "3.1.0"})
    operations = [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]
    posts = [operation for operation in operations if operation.method.upper() == "POST"]
    described = [operation.as_strategy(mode) for operation in posts for mode in GenerationMode]
    fitting, raw = st.one_of(described).map(_prepared), _raw([operation.path for operation in posts])
    return st.booleans().flatmap(lambda fits: fitting if fits else raw)


def _prepared(case: schemathesis.Case) -> Hostile:
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://host")).prepare()
    body = prepared.body or b""
    headers = {"content-type": prepared.headers.get("content-type") or ""}
    return Hostile(case.method, prepared.path_url, body.encode() if isinstance(body, str) else body, headers)


def _raw(paths: list[str]) -> st.SearchStrategy[Hostile]:
    numbers = st.sampled_from(["1e999", "-0", "9" * 5000, "NaN", "1" + "0" * 400 + ".5", "0x10"])
    json_text = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
        max_leaves=12,
    ).map(json.dumps)
    bodies = st.one_of(
        st.binary(max_size=300), json_text.map(str.encode), json_text.map(lambda text: text[:-1].encode()),
        numbers.map(lambda number: f'{{"household_id": {number}, "text": {number}}}'.encode()),
        st.integers(1, 60_000).map(lambda depth: b"[" * depth), st.integers(1, 9000).map(lambda n: b'{"a":' * n),
        st.integers(60_000, 90_000).map(lambda size: b'{"text": "' + b"x" * size + b'"}'),
        st.sampled_from([b'{"text": "\\ud800"}', b'{"text": "\\u0000"}', b'{"top": 1, "top": 2}', b"\xef\xbb\xbf{}"]),
    )  # fmt: skip
    noted = st.dictionaries(st.sampled_from(["x-api-key", "authorization", "accept", "x-forwarded-for", "cookie"]),
                            st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=200))  # fmt: skip
    return st.builds(
        lambda method, path, body, kind, other: Hostile(method, path, body, {**other, "content-type": kind}),
        st.sampled_from(["POST", "POST", "POST", "PUT", "GET"]), st.sampled_from(paths), bodies,
        st.sampled_from(KINDS[:1] * 6 + KINDS), noted,
    )  # fmt: skip


@contextmanager
def _service(url: str) -> Iterator[str]:
    """``url``, or where the current local release is served for the time of the run."""
    if url:
        yield url
        return
    from polymart.config import Settings
    from polymart.release.promotion import current_manifest
    from serving.server import running

    where = current_manifest(Settings().deployment_repository, "local").locations
    with running(Path(where["bento"]), Path(where["feature_store"]), timeout_s=120) as server:
        yield server.url


def main() -> None:
    """Send the requests and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="500 requests")
    parser.add_argument("--url", default="", help="a running service; default: the current local release")
    asked = parser.parse_args()
    with _service(asked.url) as url, httpx.Client(base_url=url, timeout=LIMIT_S) as client:

        def send(hostile: Hostile) -> tuple[int, str]:
            try:
                answer = client.request(hostile.method, hostile.path, content=hostile.body, headers=hostile.headers)
            except httpx.TransportError:
                return 0, ""
            return answer.status_code, answer.text

        outcomes = attack(client.get("/docs.json").json(), send, 500 if asked.small else 10_000)
        alive = client.get("/readyz").status_code == 200
    print(json.dumps(machine()))
    print(json.dumps({"statuses": dict(sorted(Counter(found.status for _, found in outcomes).items()))}))
    for hostile, found in [(h, o) for h, o in outcomes if o.status == 0 or o.status >= 500 or o.traced][:10]:
        print(found.status, hostile.method, hostile.path, hostile.headers, hostile.body[:300])
    _claims([found for _, found in outcomes], alive)


def _claims(found: list[Outcome], alive: bool) -> None:
    failed = sum(one.status >= 500 for one in found)
    silent = sum(one.status == 0 for one in found)
    traced = sum(one.traced for one in found)
    slowest = max(one.seconds for one in found)
    claim("hostile requests answered with a 5xx", failed, "0", failed == 0, len(found))
    claim("hostile requests without an answer", silent, "0", silent == 0, len(found))
    claim("hostile requests shown a stack trace", traced, "0", traced == 0, len(found))
    claim("seconds of the slowest answer", slowest, f"below {LIMIT_S:g}", slowest < LIMIT_S, len(found))
    claim("ready after the attack", float(alive), "1", alive, 1)


if __name__ == "__main__":
    main()
