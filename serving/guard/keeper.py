"""Answers 503 in the place of a worker that was killed. Run by `serving.guard.kept` as a script.

A connection ends for its caller when the last copy of it is closed, so this process, which holds a copy of each, has
the last word. It imports nothing but the standard library: it starts at once, stays small and has little to fail with.
"""

from __future__ import annotations

import resource
import signal
import socket
import sys
import time

BODY = b'{"error": "the worker ended before it answered", "remedy": "send it again"}'
ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\nretry-after: 5\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
LINGER_S = 10.0  # a caller on a busy machine may take seconds to read


def keep(channel: socket.socket) -> list[socket.socket]:
    """Hold what the worker hands over and let go what it closes; when it is dead, what was open then."""
    held: dict[bytes, socket.socket] = {}
    while True:
        name, handed, _, _ = socket.recv_fds(channel, 8, 1)
        if handed:
            held[name] = socket.socket(fileno=handed[0])
        elif name in held:
            held.pop(name).close()
        elif not name:
            return list(held.values())


def answer(connections: list[socket.socket]) -> None:
    """Say 503 on every connection and end it."""
    waiting = [connection for connection in connections if _said(connection)]
    deadline = time.monotonic() + LINGER_S
    # Closing with a request unread would reset the connection, and the answer with it.
    while waiting and time.monotonic() < deadline:
        waiting = [connection for connection in waiting if _still_sends(connection)]
        time.sleep(0.02)


def _said(connection: socket.socket) -> bool:
    try:
        connection.setblocking(False)
        connection.send(ANSWER)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return True


def _still_sends(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(65536))
    except BlockingIOError:
        return True
    except OSError:
        return False


if __name__ == "__main__":
    for ignored in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ignored, signal.SIG_IGN)  # it ends when the worker does
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    answer(keep(socket.socket(fileno=int(sys.argv[1]))))
