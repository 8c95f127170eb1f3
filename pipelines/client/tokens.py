"""Bearer tokens: out of a file, or fetched by OAuth 2 client credentials."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

import httpx

from polymart.config import Access, ClientCredentials, NoAccess
from polymart.errors import SettingError

EARLY_S = 60.0
"""A fetched token is renewed this long before its end."""
TIMEOUT_S = 30.0


class Token(Protocol):
    """Where a bearer token comes from."""

    def read(self) -> str:
        """The token for the next request."""

    def renew(self) -> bool:
        """Called when the token was refused; whether another one can be had at once."""


class FileToken:
    """A token in a file, which somebody else keeps fresh."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> str:
        """The file's content.

        Raises:
            SettingError: the file cannot be read, or is empty.
        """
        return read_secret(self.file, "token file")

    def renew(self) -> bool:
        return False


class FetchedToken:
    """A token that an identity provider gives to this client."""

    def __init__(self, access: ClientCredentials) -> None:
        self.access = access
        self._token, self._until = "", 0.0

    def read(self) -> str:
        """The token of before, or a new one shortly before its end.

        Raises:
            SettingError: the secret cannot be read, or the provider gives no token.
        """
        if time.monotonic() > self._until:
            self._fetch()
        return self._token

    def renew(self) -> bool:
        self._until = 0.0
        return True

    def _fetch(self) -> None:
        access = self.access
        form = {"grant_type": "client_credentials", "scope": access.scope, "audience": access.audience}
        secret = read_secret(Path(access.secret_file), "client secret file")
        try:
            answer = httpx.post(
                access.token_url,
                data={name: value for name, value in form.items() if value},
                auth=(access.client_id, secret),
                timeout=TIMEOUT_S,
            )
            answer.raise_for_status()
            told = answer.json()
            self._token = told["access_token"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            # The answer's body is not shown: it may hold what was sent.
            raise SettingError(
                f"{access.token_url} gives client {access.client_id} no token: {type(error).__name__} {error}".strip(),
                remedy="check token_url, client_id, scope and the content of secret_file under `access` of the cluster",
            ) from None
        self._until = time.monotonic() + max(float(told.get("expires_in", 300)) - EARLY_S, 1.0)


def token_of(access: Access) -> Token | None:
    """Where the token for ``access`` comes from; None where the API asks nobody."""
    if isinstance(access, NoAccess):
        return None
    return FetchedToken(access) if isinstance(access, ClientCredentials) else FileToken(Path(access.file))


def read_secret(file: Path, what: str) -> str:
    """Content of a small file, stripped.

    Raises:
        SettingError: the file cannot be read, or is empty.
    """
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"{what} {file} cannot be read: {error}", remedy="name a readable file (POLYMART_KFP_TOKEN_FILE, access)"
        ) from error
    if not text:
        raise SettingError(f"{what} {file} is empty", remedy="write the secret into it")
    return text
