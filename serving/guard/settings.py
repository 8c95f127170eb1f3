"""How strictly the service is guarded; read from the environment when a worker starts."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from polymart.errors import SettingError


class GuardSettings(BaseSettings):
    """How strictly the service is guarded. Each field is read from ``POLYMART_<FIELD>``."""

    model_config = SettingsConfigDict(
        env_prefix="POLYMART_", env_ignore_empty=True, frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    api_keys: Path | None = None
    """File of API keys that `polymart keys` writes; it holds salted hashes, no key."""
    jwt_keys: Path | None = None
    """JWKS file with the public keys of whoever signs the callers' JSON Web Tokens."""
    jwt_issuer: str = ""
    """The ``iss`` that a token must carry; required with ``jwt_keys``."""
    jwt_audience: str = "polymart"
    """The ``aud`` that a token must carry."""
    allow_open: bool = False
    """Without keys, answer callers of other machines too; otherwise only this machine's are answered."""
    requests_per_minute: int = Field(600, ge=1, le=100_000)
    """Rate of a caller whose key states none."""
    max_in_flight: int = Field(64, ge=1)
    """Requests that are worked on or wait at once; further ones get 503."""
    timeout_s: float = Field(30, gt=0, le=55)
    """Seconds after which a request that is not answered gets 503; BentoML itself gives up after 60."""
    drain_s: float = Field(0, ge=0)
    """Seconds that a worker goes on answering after SIGTERM while ``/readyz`` already says no."""


def guard_settings() -> GuardSettings:
    """The settings of this process.

    Raises:
        SettingError: one lies outside its bounds, or tokens are accepted from just any issuer.
    """
    try:
        settings = GuardSettings()
    except ValidationError as error:
        named = ", ".join(f"POLYMART_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False))
        raise SettingError(f"the guards' settings are wrong: {named}", remedy="correct the environment") from None
    if settings.jwt_keys and not settings.jwt_issuer:
        raise SettingError(
            "POLYMART_JWT_KEYS needs POLYMART_JWT_ISSUER, found none", remedy="name the issuer of the callers' tokens"
        )
    return settings
