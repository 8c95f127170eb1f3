"""Callers of a killed worker hear 503 from the keeper of its connections; nobody else notices the keeper."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from guarded import until

from serving.server import free_port

SERVER = """
import sys
import uvicorn
sys.path.insert(0, sys.argv[1])
from guarded import application
uvicorn.run(application(), port=int(sys.argv[2]), log_level="error")
"""


class Worker:
    """A server process with the real guards around a small application."""

    def __init__(self) -> None:
        self.port = free_port()
        command = [sys.executable, "-c", SERVER, str(Path(__file__).parent), str(self.port)]
        self.process = subprocess.Popen(command)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30, verify=False)
        until(self._ready, 60)

    def keeper(self) -> psutil.Process:
        """The keeper's process."""
        return psutil.Process(self.process.pid).children()[0]

    def connect(self, request: bytes) -> socket.socket:
        """A connection on which ``request`` has been sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(request)
        return connection

    def _ready(self) -> bool:
        with suppress(httpx.TransportError):
            return self.client.get("/readyz").status_code == 200
        return False


@pytest.fixture
def worker() -> Iterator[Worker]:
    found = Worker()
    yield found
    found.process.kill()
    found.process.wait()
    found.client.close()


def test_requests_in_flight_of_a_killed_worker_get_503(worker: Worker) -> None:
    keeper, answers = worker.keeper(), []
    url = f"http://127.0.0.1:{worker.port}"

    def ask() -> None:
        answers.append(httpx.get(f"{url}/search", timeout=30, verify=False))

    def half() -> None:
        # Its body is still on the way: what the worker left unread must not reset the connection.
        with worker.connect(
            b"POST /ads HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n" + b"x" * 40_000
        ) as open_one:
            halves.append(_all(open_one))

    halves: list[bytes] = []
    threads = [threading.Thread(target=target) for target in (ask, ask, ask, half)]
    for thread in threads:
        thread.start()
    until(lambda: len(psutil.Process(worker.process.pid).net_connections()) >= 5, 30)
    time.sleep(0.3)
    worker.process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join(30)
    assert [(one.status_code, one.headers["retry-after"], one.json()["remedy"]) for one in answers] == [
        (503, "5", "send it again")
    ] * 3
    assert halves[0].startswith(b"HTTP/1.1 503 ")
    with pytest.raises(httpx.ConnectError):
        worker.client.get("/readyz")  # an idle connection is not answered from the grave
    until(lambda: not keeper.is_running() or keeper.status() == psutil.STATUS_ZOMBIE)


def test_a_connection_that_the_worker_closes_ends_at_once(worker: Worker) -> None:
    with worker.connect(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n") as connection:
        started = time.monotonic()
        assert _all(connection).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - started < 5
    until(lambda: worker.keeper().num_fds() <= 6)  # its standard streams, the channel, and the idle client's connection


def test_without_its_keeper_the_worker_goes_on_and_it_ends_with_the_worker(worker: Worker) -> None:
    worker.keeper().kill()
    for _ in range(2):
        assert httpx.get(f"http://127.0.0.1:{worker.port}/livez", verify=False).status_code == 200
    other = Worker()
    keeper = other.keeper()
    keeper.send_signal(signal.SIGTERM)  # a supervisor tells all of its children
    other.process.send_signal(signal.SIGTERM)
    other.process.wait(30)
    until(lambda: not keeper.is_running())


def _all(connection: socket.socket) -> bytes:
    """Everything until the connection ends."""
    return b"".join(iter(lambda: connection.recv(65536), b""))
