"""A small site with the service's page, to show in a headless Chromium."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fixtures.headless import CHROMIUM, START_S, Tab, tab
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from serving.page import page_app
from serving.server import free_port

__all__ = ["CHROMIUM", "START_S", "Answer", "Tab", "site", "tab"]

Answer = Callable[[bytes, Request], Response]


@contextmanager
def site(answers: dict[str, Answer]) -> Iterator[str]:
    """The address of a server with the page; ``answers`` gives the response of each endpoint."""

    async def endpoint(request: Request) -> Response:
        return answers[request.url.path](await request.body(), request)

    routes = [*(Route(path, endpoint, methods=["POST"]) for path in answers), Mount("/", page_app())]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=(port := free_port()), log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join()
