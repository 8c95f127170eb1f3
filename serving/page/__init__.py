"""The console at ``/`` and the API's page at ``/docs``: two documents that load nothing from anywhere else.

The console is one file when it is served: its style and script are written into it, and the Content-Security-Policy
names their digests, so that a browser runs these and nothing else. BentoML's own page, which ``/docs`` stands for,
would load a script of a tag manager.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

_FOLDER = Path(__file__).parent
_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; "
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # a new release may bring a new page
}


def page_app() -> Starlette:
    """The application that `serving.service` mounts."""
    style, script = _read("console.css"), _read("console.js")
    console = _read("console.html").replace("/* console.css */", style).replace("/* console.js */", script)
    policy = f"script-src {_digest(script)}; style-src {_digest(style)}; img-src blob: data:"
    # Swagger UI, which comes with BentoML, writes styles into its page.
    docs_policy = "script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
    return Starlette(routes=[_route("/", console, policy), _route("/docs", _read("docs.html"), docs_policy)])


def _route(path: str, content: str, policy: str) -> Route:
    headers = {**HEADERS, "Content-Security-Policy": _CLOSED + policy}

    async def answer(_: Request) -> HTMLResponse:
        return HTMLResponse(content, headers=headers)

    return Route(path, answer)


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
