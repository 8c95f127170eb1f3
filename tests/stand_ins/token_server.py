"""A stand-in for an identity provider: OAuth 2 client credentials, as RFC 6749 section 4.4 has them."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class TokenServer:
    """Gives ``token-1``, ``token-2``, ... to the client ``polymart`` with ``secret``."""

    def __init__(self, secret: str, expires_in: int = 3600) -> None:
        self.secret, self.expires_in, self.num_given = secret, expires_in, 0
        self.forms: list[dict[str, list[str]]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}/oauth2/token"

    def __enter__(self) -> TokenServer:
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _handler(server: TokenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            server.forms.append(form)
            expected = base64.b64encode(f"polymart:{server.secret}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {expected}":
                return self._send(401, {"error": "invalid_client"})
            if form.get("grant_type") != ["client_credentials"]:
                return self._send(400, {"error": "unsupported_grant_type"})
            server.num_given += 1
            told = {"access_token": f"token-{server.num_given}", "token_type": "Bearer"}
            return self._send(200, told | {"expires_in": server.expires_in})

        def _send(self, status: int, answer: dict[str, object]) -> None:
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    return Handler
