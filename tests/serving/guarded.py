"""A small application behind the real guards, and files of keys for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from serving.guard import Guard
from serving.guard.keys import SCOPES, KeyFile, Scope, new_key, write_keys

PREDICT = ("/recommend", "/search", "/ads", "/understand", "/fraud", "/demand", "/picture")
PATHS: dict[str, Scope | None] = {
    **dict.fromkeys(PREDICT, "predict"), "/feedback": "feedback", "/events": "events", "/metrics": "metrics",
    "/": None, "/docs": None, "/livez": None, "/healthz": None, "/readyz": None, "/docs.json": None,
}  # fmt: skip
"""Each path of the service with the scope that it asks for."""
GATE = threading.Event()
"""Requests to ``/search`` wait for it, as an endpoint waits for its model."""


async def _echo(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse({"bytes": len(body), "type": request.headers.get("content-type"), "body": body.decode()[:500]})


def _slow(_: Request) -> JSONResponse:
    GATE.wait(20)
    return JSONResponse({})


def application() -> Starlette:
    """An application with the service's paths behind `Guard`."""
    routes = [
        Route(path, _slow if path == "/search" else _echo, methods=["GET" if PATHS[path] is None else "POST", "GET"])
        for path in PATHS
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard)])


@contextmanager
def client(base_url: str = "http://testserver") -> Iterator[TestClient]:
    """A client of a fresh `application`, whose guards read the environment now."""
    with TestClient(application(), base_url=base_url, raise_server_exceptions=False) as found:
        yield found


def keys_for(path: Path, *scopes: tuple[Scope, ...], requests_per_minute: int | None = None) -> list[str]:
    """Write a file with one key for each of ``scopes`` (one with all scopes by default) and return the keys."""
    made = [new_key("test", one, requests_per_minute) for one in scopes or (SCOPES,)]
    write_keys(path, KeyFile(keys=tuple(key for key, _ in made)))
    return [text for _, text in made]


def bearer(credential: str) -> dict[str, str]:
    """The header that carries a key or token."""
    return {"authorization": f"Bearer {credential}"}


def until(true: object, timeout_s: float = 10) -> None:
    """Wait until ``true()`` holds."""
    deadline = time.monotonic() + timeout_s
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)
