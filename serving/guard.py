"""Middleware that refuses bodies the contract cannot hold, before anything parses them.

BentoML picks a parser by content type; multipart, arrow and pickle parsers answer malformed bodies with 500 and
are needed by none of our endpoints, so only JSON passes.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 64 * 1024
"""Bytes; the largest valid request (2,000 characters, each escaped as 12 bytes) stays below."""


class JsonBodyGuard:
    """Lets only JSON bodies of at most `MAX_BODY` bytes through; answers 415 and 413 otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        media_type = Request(scope).headers.get("content-type", "application/json").split(";")[0].strip().lower()
        if media_type != "application/json":
            return await _refuse(415, f"content type must be application/json, found {media_type[:100]!r}")(
                scope, receive, send
            )
        body = await _read(receive)
        if body is None:
            return await _refuse(413, f"the body must hold at most {MAX_BODY} bytes")(scope, receive, send)
        return await self.app(scope, _replay(body, receive), send)


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when it is too long (the rest stays unread)."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    pending = [body]

    async def replayed() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replayed


def _refuse(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error, "remedy": "see the service's OpenAPI document"}, status_code=status)
