"""API keys: ``pm_<id>_<secret>``, of which the file of keys holds only a salted hash.

A secret has 256 random bits, so nobody can guess one, and one round of SHA-256 is enough; slow hashes are for
passwords that people think up.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from polymart.errors import SettingError
from polymart.files import atomic_path

Scope = Literal["predict", "feedback", "events", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
_KEY = re.compile(r"pm_([0-9a-f]{8})_([A-Za-z0-9_-]{43})", re.ASCII)


class ApiKey(BaseModel):
    """One caller's key, without its secret."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = None
    created: AwareDatetime
    expires: AwareDatetime | None = None

    def opens_with(self, secret: str) -> bool:
        """Whether ``secret`` is this key's and the key has not expired; takes equally long for every wrong secret."""
        same = hmac.compare_digest(_digest(self.salt, secret), self.digest)
        return same and (self.expires is None or datetime.now(UTC) < self.expires)


class KeyFile(BaseModel):
    """The file of keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    version: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [key.id for key in self.keys]
        if len(set(ids)) < len(ids):
            raise ValueError("two keys have the same id")
        return self

    def owner(self, presented: str) -> ApiKey | None:
        """The key that ``presented`` is; None for a foreign, wrong or expired one."""
        match = _KEY.fullmatch(presented)
        if match is None:
            return None
        found = next((key for key in self.keys if key.id == match[1]), None)
        # An unknown id is compared as well: the time of an answer must not tell which ids exist.
        return found if (found or _NOBODY).opens_with(match[2]) else None

    def without(self, key_id: str) -> KeyFile:
        """The file after a key is revoked.

        Raises:
            SettingError: there is no such key.
        """
        kept = tuple(key for key in self.keys if key.id != key_id)
        if len(kept) == len(self.keys):
            ids = ", ".join(key.id for key in self.keys) or "none"
            raise SettingError(f"no key has the id {key_id!r}; the file has: {ids}", remedy="name one of these")
        return KeyFile(keys=kept)


def new_key(
    name: str, scopes: tuple[Scope, ...], requests_per_minute: int | None = None, days: int | None = None
) -> tuple[ApiKey, str]:
    """A fresh key: what the file holds, and the text that the caller keeps, which cannot be had again."""
    key_id, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(32), secrets.token_hex(16)
    now = datetime.now(UTC)
    key = ApiKey(
        id=key_id, name=name, scopes=scopes, salt=salt, digest=_digest(salt, secret),
        requests_per_minute=requests_per_minute, created=now, expires=now + timedelta(days=days) if days else None,
    )  # fmt: skip
    return key, f"pm_{key_id}_{secret}"


def read_keys(path: Path) -> KeyFile:
    """The keys in a file.

    Raises:
        SettingError: it is absent, unreadable or no file of keys.
    """
    try:
        return KeyFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingError(
            f"the file of API keys {path} cannot be read: {error.strerror}", remedy="make it with `polymart keys add`"
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise SettingError(
            f"{path} is no file of API keys: {where}: {first['msg']}", remedy="write it with `polymart keys` only"
        ) from None


def write_keys(path: Path, file: KeyFile) -> None:
    """Replace a file of keys whole.

    Raises:
        StorageError: the disk refuses.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(file.model_dump_json(indent=2) + "\n")


def _digest(salt: str, secret: str) -> str:
    return hmac.new(bytes.fromhex(salt), secret.encode(), hashlib.sha256).hexdigest()


_NOBODY = new_key("nobody", ("metrics",))[0]
