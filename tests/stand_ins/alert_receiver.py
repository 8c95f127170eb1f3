"""A stand-in for Slack, PagerDuty and a webhook, which need accounts: takes every POST and remembers it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Message(NamedTuple):
    """One delivery."""

    path: str
    token: str
    body: dict[str, Any]


class AlertReceiver:
    """Answers as PagerDuty does, which the others accept as well."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.messages))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> AlertReceiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def wait(self, wanted: Callable[[Message], bool], seconds: float = 60) -> Message:
        """The first message that fits, as soon as it is there."""
        deadline = time.monotonic() + seconds
        while True:
            for message in list(self.messages):
                if wanted(message):
                    return message
            assert time.monotonic() < deadline, f"not delivered within {seconds} s; came: {self.messages}"
            time.sleep(0.05)


def _handler(messages: list[Message]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            messages.append(Message(self.path, self.headers.get("Authorization", ""), body))
            answer = json.dumps({"status": "success", "message": "taken", "dedup_key": "1"}).encode()
            self.send_response(202 if "pagerduty" in self.path else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
