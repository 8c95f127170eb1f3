"""How a guard says no."""

from __future__ import annotations

import math

from starlette.responses import JSONResponse


def refusal(
    status: int,
    error: str,
    remedy: str = "see the service's OpenAPI document",
    *,
    retry_after_s: float | None = None,
    close: bool = False,
    challenge: bool = False,
) -> JSONResponse:
    """A refusal in the shape of every other one.

    Args:
        status: HTTP status.
        error: the thing, the rule and the value found; never more of the request than its bounds.
        remedy: what the caller can do about it.
        retry_after_s: seconds after which the same request may be answered.
        close: end the connection, because the rest of the body stays unread.
        challenge: tell the caller how to show who it is.
    """
    headers = {"connection": "close"} if close else {}
    if retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(retry_after_s)))
    if challenge:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"error": error, "remedy": remedy}, status_code=status, headers=headers)
