"""JSON Web Tokens: who signed one, for whom, until when, and what it allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt

from polymart.errors import SettingError
from serving.guard.keys import SCOPES
from serving.guard.watched import WatchedFile

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""Signatures only: with a shared secret every reader of the service's settings could sign."""
REQUIRED = ("exp", "iss", "aud", "sub")
LEEWAY_S = 10
"""Seconds by which two machines' clocks may differ."""


class Tokens:
    """Reads the tokens of one issuer for one audience.

    Args:
        keys: JWKS file with the issuer's public keys; a token names one by its ``kid``.
        issuer: the ``iss`` that a token must carry.
        audience: the ``aud`` that a token must carry.
    """

    def __init__(self, keys: Path, issuer: str, audience: str) -> None:
        self._keys, self._issuer, self._audience = WatchedFile(keys, read_key_set), issuer, audience

    def subject(self, token: str) -> tuple[str, frozenset[str]] | None:
        """The ``sub`` and the scopes of a valid token; None for any other."""
        try:
            key = self._keys.value()[jwt.get_unverified_header(token)["kid"]]
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=ALGORITHMS, issuer=self._issuer, audience=self._audience, leeway=LEEWAY_S,
                options={"require": list(REQUIRED)},
            )  # fmt: skip
        except (jwt.PyJWTError, KeyError):
            return None
        scope = claims.get("scope", "")
        return str(claims["sub"]), frozenset(scope.split() if isinstance(scope, str) else ()) & frozenset(SCOPES)


def read_key_set(path: Path) -> jwt.PyJWKSet:
    """The public keys in a JWKS file.

    Raises:
        SettingError: it is absent, holds no usable key, or a shared secret.
    """
    remedy = "save the issuer's key set (its jwks_uri) there"
    try:
        keys = jwt.PyJWKSet.from_json(path.read_text())
    except OSError as error:
        raise SettingError(f"the key set {path} cannot be read: {error.strerror}", remedy=remedy) from None
    except (jwt.PyJWTError, ValueError, AttributeError, TypeError) as error:
        raise SettingError(f"{path} holds no usable key set: {type(error).__name__}", remedy=remedy) from None
    if secret := [str(key.key_id) for key in keys.keys if key.key_type == "oct"]:
        raise SettingError(
            f"{path} may hold public keys only, found a shared secret in {', '.join(secret)}", remedy=remedy
        )
    return keys
