"""A stand-in for the Kubernetes API, which needs a cluster: pods that lie there, and TrainJobs that live a little."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TRAIN_JOBS = re.compile(r"/apis/trainer\.kubeflow\.org/v1alpha1/namespaces/([^/]+)/trainjobs(?:/([^/]+))?")
PODS = re.compile(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)")


class KubeServer:
    """Keeps what is created; ``look`` may change a TrainJob each time that somebody reads it.

    Set ``refuse`` to a status with which every request is answered.
    """

    def __init__(self) -> None:
        self.pods: dict[tuple[str, str], dict[str, Any]] = {}
        self.jobs: dict[tuple[str, str], dict[str, Any]] = {}
        self.look: Callable[[dict[str, Any]], None] = lambda job: None
        self.refuse = 0
        self.requests: list[tuple[str, str]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> KubeServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one request."""
        self.requests.append((method, path))
        if self.refuse:
            return self.refuse, {"kind": "Status", "code": self.refuse}
        if found := PODS.fullmatch(path):
            pod = self.pods.get((found[1], found[2]))
            return (200, pod) if pod else (404, {"kind": "Status", "code": 404})
        if not (found := TRAIN_JOBS.fullmatch(path)):
            return 404, {"kind": "Status", "code": 404}
        key = found[1], found[2] or body.get("metadata", {}).get("name", "")
        if method == "POST":
            if key in self.jobs:
                return 409, {"kind": "Status", "code": 409}
            self.jobs[key] = body
            return 201, body
        if key not in self.jobs:
            return 404, {"kind": "Status", "code": 404}
        if method == "DELETE":
            return 200, self.jobs.pop(key)
        self.look(self.jobs[key])
        return 200, self.jobs[key]


def _handler(server: KubeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            status, answer = server.answer(self.command, self.path.partition("?")[0], body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _serve

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    return Handler
