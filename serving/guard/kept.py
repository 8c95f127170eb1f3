"""Hands a copy of every connection to `serving.guard.keeper`, so that callers of a killed worker hear 503.

Without it the kernel resets their connections, and they cannot tell a dead worker from a broken network. It costs one
message to the keeper for each connection, none for a request.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

SCRIPT = Path(__file__).with_name("keeper.py")
_log = logging.getLogger(__name__)


class Keeper:
    """The keeper's process and the channel to it; when either fails, the service goes on without."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(1)
        with theirs:
            command = [sys.executable, "-I", "-S", str(SCRIPT), str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._names = itertools.count()

    def hold(self, transport: asyncio.BaseTransport) -> bytes:
        """Hand a copy of a connection over; returns the name to let it go by."""
        name = next(self._names).to_bytes(8)
        if transport.get_extra_info("sslcontext") is None:  # the keeper could not answer in cipher
            self._send(name, [transport.get_extra_info("socket").fileno()])
        return name

    def let_go(self, name: bytes) -> None:
        """Close the copy; the caller sees the end of its connection only then."""
        self._send(name, [])

    def _send(self, name: bytes, handed: list[int]) -> None:
        try:
            socket.send_fds(self._channel, [name], handed)
        except OSError as error:
            if self._process.poll() is None:
                self._process.kill()
                _log.warning("the keeper of connections failed (%s): callers of a killed worker get no 503", error)


def keep_connections() -> None:
    """Let a keeper hold all connections that the server of this process takes from now on; Linux only."""
    if sys.platform != "linux":
        return
    keeper = Keeper()
    protocol: Any = AutoHTTPProtocol
    made, lost = protocol.connection_made, protocol.connection_lost

    def connection_made(self: Any, transport: asyncio.BaseTransport) -> None:
        self.kept_name = keeper.hold(transport)
        made(self, transport)

    def connection_lost(self: Any, error: Exception | None) -> None:
        keeper.let_go(self.kept_name)
        lost(self, error)

    # uvicorn offers no hook for a connection; BentoML chooses the class, so a subclass would not be used.
    protocol.connection_made, protocol.connection_lost = connection_made, connection_lost
