"""A headless Chromium over its debugging protocol, and a small site with the service's page to show in it."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from serving.page import page_app
from serving.server import free_port

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
START_S = 120
"""Seconds until the browser must have answered; a busy machine takes its time."""


class Tab:
    """One page of the browser."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._ids = socket, itertools.count(1)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def open(self, url: str, width: int = 1200, scheme: str = "light") -> None:
        """Load a page at a width in a colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=url)
        self.wait(f"document.readyState === 'complete' && location.href.startsWith({url!r})")

    def wait(self, condition: str, seconds: float = START_S) -> None:
        """Until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < deadline, (
                f"not within {seconds} s: {condition}\n{self.run('document.body.innerText')}"
            )
            time.sleep(0.02)

    def press(self, key: str, code: int, control: bool = False) -> None:
        """Press and release a key."""
        text = "\r" if key == "Enter" else key
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code,
                      modifiers=2 if control else 0, text=text)  # fmt: skip


@contextmanager
def tab(folder: Path) -> Iterator[Tab]:
    """A tab of a Chromium that keeps its profile in ``folder``."""
    import websocket

    profile = folder / "profile"
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
               f"--user-data-dir={profile}", "about:blank"]  # fmt: skip
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline, written = time.monotonic() + START_S, profile / "DevToolsActivePort"
        while not (written.is_file() and written.read_text().count("\n")):
            assert time.monotonic() < deadline, (folder / "chromium.log").read_text()
            time.sleep(0.05)
        port, browser = written.read_text().split("\n")[:2]
        socket = websocket.create_connection(f"ws://127.0.0.1:{port}{browser}", timeout=START_S, suppress_origin=True)
        target = Tab(socket).call("Target.createTarget", url="about:blank")["targetId"]
        socket.close()
        page = f"ws://127.0.0.1:{port}/devtools/page/{target}"
        socket = websocket.create_connection(page, timeout=START_S, suppress_origin=True)
        yield Tab(socket)
        socket.close()
    finally:
        process.terminate()
        process.wait(30)


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
