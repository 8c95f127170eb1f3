"""Start a bento folder as a real server in a process group of its own, and stop it without leaving orphans."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from polymart.errors import ReleaseError

GRACE_S = 15.0
"""Seconds between SIGTERM and SIGKILL."""
TAIL = 30
"""Lines of the server's log that an error shows."""
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Server:
    """A running, ready server."""

    url: str
    ready_s: float
    """Seconds from the start of the process to the first 200 of ``/readyz``."""
    log: Path
    pid: int
    """Of the process that supervises the workers; it leads their process group."""

    def tail(self) -> str:
        """The last lines of its log."""
        return _tail(self.log)


def serve_command(bento: Path, host: str, port: int) -> list[str]:
    """The command that serves a bento folder."""
    return [sys.executable, "-m", "bentoml", "serve", str(Path(bento).resolve()), "--host", host, "--port", str(port)]


def serve_environment(feature_store: Path | None) -> dict[str, str]:
    """This process's environment for a server: telemetry off, the bento's own packages first, nothing fetched."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"BENTOML_DO_NOT_TRACK": "True", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if feature_store is not None:
        environment["POLYMART_FEATURE_STORE"] = str(Path(feature_store).resolve())
    return environment


@contextmanager
def running(
    bento: Path, feature_store: Path | None, *, timeout_s: float, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server of ``bento`` on a free local port, ready to answer; stopped with all its workers when the block ends.

    Its predictions are not logged, since they are no customer's, no experiment hands them on, and a candidate is not
    signed yet; ``settings`` are environment variables that say otherwise.

    Raises:
        ReleaseError: it ended or was not ready within ``timeout_s`` seconds; holds the tail of its log.
    """
    environment, port = serve_environment(feature_store), free_port()
    for name in ("POLYMART_PREDICTION_LOG", "POLYMART_EXPERIMENT", "POLYMART_RELEASE_KEYS"):
        environment.pop(name, None)
    with started(serve_command(bento, HOST, port), environment | dict(settings or {}), port, timeout_s) as server:
        yield server


@contextmanager
def started(command: list[str], environment: dict[str, str], port: int, timeout_s: float) -> Iterator[Server]:
    """The server that ``command`` starts on ``port`` of this machine; see `running`."""
    with tempfile.TemporaryDirectory(prefix="polymart-serve-") as scratch:
        log, begun = Path(scratch, "server.log"), time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=scratch,
                env=environment | {"BENTOML_HOME": str(Path(scratch, "home"))},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            url = f"http://{HOST}:{port}"
            _wait_until_ready(process, url, log, begun + timeout_s)
            yield Server(url, time.monotonic() - begun, log, process.pid)
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes], grace_s: float = GRACE_S) -> None:
    """Ask the server to end, wait ``grace_s`` seconds, then kill what is left of its process group and its workers."""
    workers = []  # asked now, for a process whose parent has ended is nobody's child
    with suppress(psutil.NoSuchProcess):
        workers = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # Also after a clean end: a worker may outlive its supervisor, and leads a process group of its own.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path, deadline: float) -> None:
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        time.sleep(0.1)
    ended = process.poll()
    what = "was not ready in time" if ended is None else f"ended with status {ended} before it was ready"
    raise ReleaseError(
        f"the server {what}; the end of its log:\n{_tail(log)}", remedy="correct what the log names, or allow more time"
    )


def free_port() -> int:
    """A TCP port of this machine that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL:])
