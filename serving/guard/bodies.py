"""Refuses bodies that the contract cannot hold, before anything parses them.

BentoML picks a parser by content type; multipart, arrow and pickle parsers answer malformed bodies with 500 and
are needed by none of our endpoints, so only JSON reaches them. A picture may be sent as it is: it becomes the JSON
that the contract of ``/picture`` reads.
"""

from __future__ import annotations

import asyncio
import base64
import json

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.contract import MAX_PICTURE, PICTURE_TYPES
from serving.guard.answers import refusal

MAX_BODY = 64 * 1024
"""Bytes; the largest valid request (2,000 characters, each escaped as 12 bytes) stays below."""
PICTURE = "/picture"
MAX_PICTURE_BODY = MAX_PICTURE * 4 // 3 + MAX_BODY
"""Bytes; base64 takes a third more than the picture."""
BODY_TIMEOUT_S = 10.0
"""Seconds within which a whole body must have arrived."""
JSON = "application/json"


class Bodies:
    """Lets bounded bodies of JSON through, and pictures to `PICTURE`; answers 408, 413 and 415 otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            return await self.app(scope, receive, send)
        headers = MutableHeaders(scope=scope)
        media_type = headers.get("content-type", JSON).split(";")[0].strip().lower()
        picture = media_type in PICTURE_TYPES and scope["path"] == PICTURE
        if media_type != JSON and not picture:
            return await refusal(415, f"content type must be {JSON}")(scope, receive, send)
        limit = MAX_PICTURE if picture else MAX_PICTURE_BODY if scope["path"] == PICTURE else MAX_BODY
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _read(receive, limit)
        except TimeoutError:
            late = f"the body must arrive within {BODY_TIMEOUT_S:g} s"
            return await refusal(408, late, "send it again", close=True)(scope, receive, send)
        except ClientDisconnect:
            return  # nobody waits for an answer, so none is worked out: after a jam there may be many such requests
        if body is None:
            return await refusal(413, f"the body must hold at most {limit} bytes", close=True)(scope, receive, send)
        if picture:
            body = json.dumps({"image": base64.b64encode(body).decode()}).encode()
            headers["content-type"], headers["content-length"] = JSON, str(len(body))
        return await self.app(scope, _replay(body, receive), send)


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The whole body; None when it is longer than ``limit`` (the rest stays unread).

    Raises:
        ClientDisconnect: the caller has gone.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending = [body]

    async def replayed() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replayed
