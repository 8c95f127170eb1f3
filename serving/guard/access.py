"""Who calls, what it may call, and how often."""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.guard.answers import refusal
from serving.guard.keys import read_keys
from serving.guard.rates import Rates
from serving.guard.scopes import needed_scope
from serving.guard.settings import GuardSettings
from serving.guard.tokens import Tokens
from serving.guard.watched import WatchedFile

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Someone who showed a valid key or token."""

    id: str
    scopes: frozenset[str]
    per_minute: int


class Access:
    """Lets known callers through to what their scopes name, at their rate; answers 401, 403 and 429 otherwise.

    Without keys every caller of this machine passes, and with ``allow_open`` everybody.

    Raises:
        SettingError: a file of keys cannot be read.
    """

    def __init__(self, app: ASGIApp, settings: GuardSettings) -> None:
        self.app, self._settings, self._rates = app, settings, Rates()
        self._keys = WatchedFile(settings.api_keys, read_keys) if settings.api_keys else None
        self._tokens = (
            Tokens(settings.jwt_keys, settings.jwt_issuer, settings.jwt_audience) if settings.jwt_keys else None
        )
        if self._keys is None and self._tokens is None:
            who = "everybody" if settings.allow_open else "callers on this machine only"
            _log.warning("no keys are configured: the service answers %s; see docs/serving.md, Guards", who)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refusal(scope)
        await (refused or self.app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        needed = needed_scope(scope["path"])
        if needed is None:
            return None
        if self._keys is None and self._tokens is None:
            return None if self._settings.allow_open or _is_local(scope) else _closed()
        credential = _credential(Headers(scope=scope))
        if not credential:
            return refusal(401, "no key was sent", "send it as `Authorization: Bearer ...`", challenge=True)
        caller = self._caller(credential)
        if caller is None:
            return refusal(401, "the key is unknown, wrong or expired", "ask the shop for a key", challenge=True)
        if needed not in caller.scopes:
            return refusal(403, f"the key needs the scope {needed!r}", "ask the shop for a key with this scope")
        wait_s = self._rates.wait_s(caller.id, caller.per_minute)
        if wait_s is None:
            return None
        error = f"the key allows {caller.per_minute} requests a minute"
        return refusal(429, error, "wait as long as Retry-After says", retry_after_s=wait_s)

    def _caller(self, credential: str) -> Caller | None:
        default = self._settings.requests_per_minute
        if self._keys and (key := self._keys.value().owner(credential)):
            return Caller(f"key:{key.id}", frozenset(key.scopes), key.requests_per_minute or default)
        if self._tokens and (found := self._tokens.subject(credential)):
            return Caller(f"token:{found[0]}", found[1], default)
        return None


def _credential(headers: Headers) -> str:
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")


def _is_local(scope: Scope) -> bool:
    """Whether the connection arrived at a loopback address, which only this machine can reach."""
    try:
        return ipaddress.ip_address((scope.get("server") or ("",))[0]).is_loopback
    except ValueError:
        return False


def _closed() -> JSONResponse:
    return refusal(
        403, "the service has no keys, so it answers callers on its own machine only",
        "set POLYMART_API_KEYS, or POLYMART_ALLOW_OPEN=true where the network is trusted",
    )  # fmt: skip
