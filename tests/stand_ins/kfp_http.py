"""The wire of the stand-in for Kubeflow Pipelines, and the faults on it."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from stand_ins.kfp_server import KfpServer

ROOT = "/apis/v2beta1"
Fault = int | float | str
"""A status; seconds by which an answer is late; ``gateway``: carried out, yet answered with 504; or how a connection is
dropped: ``before`` the request was carried out, ``after`` it, or ``early``: first dropped, carried out 0.3 s later."""


def serve(server: KfpServer) -> ThreadingHTTPServer:
    """A server at a free port of this machine."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    made.daemon_threads = True
    return made


def _handler(server: KfpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            where, body = urlsplit(self.path), self._body()
            path, query = where.path.removeprefix(ROOT), dict(parse_qsl(where.query))
            authorization = self.headers.get("Authorization", "")
            server.requests.append((self.command, path, authorization))
            if path == server.hang:
                server.closing.wait(30)
            fault = (server.fail.get(f"{self.command} {path}") or [None]).pop(0)

            def carry_out() -> tuple[int, dict[str, Any]]:
                return server.answer(self.command, path, query, body, authorization)

            if fault == "early":
                threading.Timer(0.3, carry_out).start()
            elif isinstance(fault, int):
                return self._send(fault, {"error": "as the test asked"})
            elif fault != "before":
                answer = carry_out()
                time.sleep(fault if isinstance(fault, float) else 0)
                if fault != "after":
                    return self._send(*((504, {"error": "the gateway gave up"}) if fault == "gateway" else answer))
            return self.connection.shutdown(socket.SHUT_RDWR)

        def _body(self) -> Any:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if boundary := re.search(r"multipart/form-data; boundary=(\S+)", self.headers.get("Content-Type", "")):
                return data.split(f"--{boundary[1]}".encode())[1].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            return json.loads(data or b"{}")

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            try:
                self.wfile.write(text)
            except BrokenPipeError:
                """The caller has given up."""

        do_GET = do_POST = do_DELETE = _serve

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    return Handler
