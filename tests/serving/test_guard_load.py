"""Bounds of load, time, bodies and paths, and the way a worker stops."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from guarded import GATE, PATHS, application, client, until
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from serving.contract import MAX_PICTURE
from serving.guard import MAX_BODY, bodies
from serving.guard.bodies import Bodies
from serving.guard.drain import Drain
from serving.guard.load import Load
from serving.guard.paths import KnownPaths, known_paths

POST = {"type": "http", "method": "POST", "path": "/demand", "headers": []}


@pytest.fixture(autouse=True)
def _gate() -> Iterator[None]:
    GATE.clear()
    yield
    GATE.set()


def test_more_requests_than_the_bound_are_shed_and_probes_still_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYMART_MAX_IN_FLIGHT", "3")
    with client() as shop, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(shop.get, "/search") for _ in range(8)]
        until(lambda: sum(one.done() for one in asked) == 5)
        for path in ("/livez", "/readyz", "/metrics"):
            assert shop.get(path).status_code == 200
        GATE.set()
        answers = [one.result() for one in asked]
        assert sorted(answer.status_code for answer in answers) == [200] * 3 + [503] * 5
        shed = next(answer for answer in answers if answer.status_code == 503)
        assert shed.json() == {"error": "the service is at its limit", "remedy": "try again shortly"}
        assert shed.headers["retry-after"] == "1"
        assert shop.get("/search").status_code == 200  # every place is free again


def test_a_late_request_gets_503_and_keeps_its_place_until_its_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYMART_MAX_IN_FLIGHT", "1")
    monkeypatch.setenv("POLYMART_TIMEOUT_S", "0.1")
    with client() as shop:
        late = shop.get("/search")
        assert late.status_code == 503
        assert late.json()["error"] == "the request was not answered within 0.1 s"
        assert late.headers["retry-after"] == "1"
        assert shop.get("/demand").json()["error"] == "the service is at its limit"
        GATE.set()
        until(lambda: shop.get("/demand").status_code == 200)


@settings(max_examples=40)
@given(bound=st.integers(1, 4), steps=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=30))
def test_no_more_than_the_bound_are_ever_worked_on(bound: int, steps: list[tuple[bool, int]]) -> None:
    async def run() -> None:
        waiting: list[asyncio.Event] = []
        worked_on = 0

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal worked_on
            worked_on += 1
            waiting.append(asyncio.Event())
            await waiting[-1].wait()
            worked_on -= 1
            await JSONResponse({})(scope, receive, send)

        load, statuses = Load(endpoint, bound, 60), []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        tasks = []
        for arrives, index in steps:
            if arrives:
                free = worked_on < bound
                tasks.append(asyncio.ensure_future(load(dict(POST), _nothing, send)))
                shed = statuses.count(503)
                await _settle()
                assert (statuses.count(503) == shed) == free
            elif waiting:
                waiting.pop(index % len(waiting)).set()
                await _settle()
            assert worked_on <= bound
        for event in waiting:
            event.set()
        await asyncio.gather(*tasks)
        assert len(statuses) == len(tasks)
        assert not load._work

    asyncio.run(run())


@settings(max_examples=60)
@given(chunks=st.lists(st.integers(0, MAX_BODY), max_size=5), exactly=st.booleans())
def test_a_body_passes_whole_or_not_at_all(chunks: list[int], exactly: bool) -> None:
    if exactly and sum(chunks) <= MAX_BODY:
        chunks = [*chunks, MAX_BODY - sum(chunks)]
    parts = [bytes([65 + index % 26]) * size for index, size in enumerate(chunks)]
    status, seen = _post(parts)
    if sum(chunks) > MAX_BODY:
        assert (status, seen) == (413, None)
    else:
        assert (status, seen) == (200, b"".join(parts))


def test_a_body_that_never_ends_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_S", 0.05)
    assert _post([b"{"], ends=False) == (408, None)


def test_a_caller_who_has_gone_costs_no_answer() -> None:
    reached: list[Scope] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    asyncio.run(Bodies(endpoint)(dict(POST), receive, endpoint))  # type: ignore[arg-type]
    assert reached == []


def test_a_picture_may_be_sent_as_it_is_and_only_to_its_endpoint() -> None:
    picture = bytes(range(256)) * 1000
    with client() as shop:
        answer = shop.post("/picture", content=picture, headers={"content-type": "image/png"})
        assert answer.json()["type"] == "application/json"
        expected = json.dumps({"image": base64.b64encode(picture).decode()})
        assert (answer.json()["bytes"], answer.json()["body"]) == (len(expected), expected[:500])
        assert shop.post("/understand", content=picture, headers={"content-type": "image/png"}).status_code == 415
        assert shop.post("/picture", content=picture, headers={"content-type": "image/gif"}).status_code == 415
        assert shop.post("/picture", json={"image": "x" * MAX_PICTURE}).status_code == 200
        for content, kind in ((b"x" * (MAX_PICTURE + 1), "image/jpeg"), (b"x" * MAX_PICTURE * 2, "application/json")):
            refused = shop.post("/picture", content=content, headers={"content-type": kind})
            assert refused.status_code == 413
            assert refused.headers["connection"] == "close"


@given(st.text(max_size=40) | st.sampled_from([path + end for path in PATHS for end in ("/", "\n", " ", "x")]))
def test_a_path_that_nobody_serves_ends_before_anything_counts_or_logs_it(path: str) -> None:
    reached: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])
        await JSONResponse({})(scope, receive, send)

    paths = KnownPaths(inner, known_paths(application().routes))
    status, _ = asyncio.run(_get(paths, path))
    assert (status, reached) == ((200, [path]) if path in PATHS else (404, []))


def test_files_of_a_mounted_folder_and_routes_of_a_mounted_application_are_known(tmp_path: Path) -> None:
    (tmp_path / "page.css").write_text("")
    inner = Starlette(routes=[Route("/hello", JSONResponse({}))])
    routes = [Mount("/static", StaticFiles(directory=tmp_path)), Mount("/page", inner), Mount("/", inner)]
    assert set(known_paths(routes)) == {"/static/page.css", "/page/hello", "/hello"}


def test_sigterm_makes_the_worker_not_ready_while_it_goes_on_answering() -> None:
    assert threading.current_thread() is threading.main_thread()
    stopped: list[float] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        drain = Drain(JSONResponse({}), drain_s=0.2)
        assert drain.watch()
        assert await _get(drain, "/readyz") == (200, None)
        began = loop.time()
        os.kill(os.getpid(), signal.SIGTERM)
        while not drain.draining:
            await asyncio.sleep(0.01)
        assert await _get(drain, "/readyz") == (503, "close")
        assert await _get(drain, "/demand") == (200, "close")
        while not stopped:
            await asyncio.sleep(0.01)
        assert 0.2 <= loop.time() - began < 2
        os.kill(os.getpid(), signal.SIGTERM)  # again: at once
        while len(stopped) < 2:
            await asyncio.sleep(0.01)

    previous = signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    try:
        asyncio.run(run())
    finally:
        signal.signal(signal.SIGTERM, previous)


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def _get(app: Any, path: str) -> tuple[int, str | None]:
    """Status and ``connection`` header of an answer."""
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    await app({"type": "http", "method": "GET", "path": path, "headers": []}, _nothing, send)
    connection = dict(said[0]["headers"]).get(b"connection")
    return said[0]["status"], connection and connection.decode()


def _post(parts: list[bytes], ends: bool = True) -> tuple[int, bytes | None]:
    """Status that `Bodies` lets be answered to a body in ``parts``, and the body that the endpoint saw."""
    seen: list[bytes] = []
    said: list[Message] = []
    left = [{"type": "http.request", "body": part, "more_body": True} for part in parts]

    async def receive() -> Message:
        if left:
            return left.pop(0)
        if not ends:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        assert not message["more_body"]
        seen.append(message["body"])
        await JSONResponse({})(scope, receive, send)

    async def send(message: Message) -> None:
        said.append(message)

    asyncio.run(Bodies(endpoint)(dict(POST), receive, send))
    return said[0]["status"], seen[0] if seen else None
