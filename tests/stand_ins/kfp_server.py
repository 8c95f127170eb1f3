"""A stand-in for the Kubeflow Pipelines API, which needs a cluster: the few paths under /apis/v2beta1 that we use."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

ROOT = "/apis/v2beta1"


class KfpServer:
    """Takes runs and lets them walk through ``states``, one at each look; remembers every request.

    Set ``token`` to ask for it, ``fail`` to ``{"METHOD /path": [status, ...]}`` to answer so, each status once, and
    ``hang`` to a path that never answers.
    """

    def __init__(self) -> None:
        self.states = ["PENDING", "RUNNING", "SUCCEEDED"]
        self.token = ""
        self.fail: dict[str, list[int]] = {}
        self.hang = ""
        self.requests: list[tuple[str, str, str]] = []
        """Method, path, Authorization."""
        self.runs: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self._closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> KfpServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, body: dict[str, Any], authorization: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one request."""
        self.requests.append((method, path, authorization))
        if path == self.hang:
            self._closing.wait(30)
        if statuses := self.fail.get(f"{method} {path}"):
            return statuses.pop(0), {"error": "as the test asked"}
        if self.token and authorization != f"Bearer {self.token}":
            return 401, {"error": "unauthenticated"}
        return self._route(method, path, body)

    def _route(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        match [method, *path.strip("/").split("/")]:
            case ["GET", "healthz"]:
                return 200, {"multi_user": False}
            case ["GET", "experiments"]:
                return 200, {"experiments": list(self.experiments.values())}
            case ["POST", "experiments"]:
                return 200, self._keep(self.experiments, "experiment_id", body)
            case ["POST", "runs"]:
                return 200, self._keep(self.runs, "run_id", body | {"state": self.states[0], "looks": 0})
            case ["GET", "runs", run] if run in self.runs:
                return 200, self._look(self.runs[run])
            case _:
                return 404, {"error": f"no {method} {path}"}

    def _look(self, run: dict[str, Any]) -> dict[str, Any]:
        run["looks"] += 1
        run["state"] = self.states[min(run["looks"], len(self.states) - 1)]
        failed = {"error": {"code": 13, "message": "task train_suite failed"}} if run["state"] == "FAILED" else {}
        return run | failed

    @staticmethod
    def _keep(where: dict[str, dict[str, Any]], key: str, body: dict[str, Any]) -> dict[str, Any]:
        kept = body | {key: f"{key}-{len(where) + 1}", "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        where[kept[key]] = kept
        return kept


def _handler(server: KfpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            path = urlsplit(self.path).path.removeprefix(ROOT)
            status, answer = server.answer(self.command, path, body, self.headers.get("Authorization", ""))
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
