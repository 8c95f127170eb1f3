"""Real servers of small ASGI applications, each in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from serving.server import HOST, free_port


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """The address of ``app`` on a free local port; stopped in order when the block ends."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host=HOST, port=port, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=_run, args=[server], daemon=True)
    thread.start()
    deadline = time.monotonic() + 300  # a busy machine loads a service slowly
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started, "the small server did not start"
    try:
        yield f"http://{HOST}:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def _run(server: uvicorn.Server) -> None:
    with suppress(SystemExit):  # how uvicorn says that an application did not start
        server.run()
