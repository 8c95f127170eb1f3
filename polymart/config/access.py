"""How Kubeflow Pipelines is told who asks: always by reference to a file, never by a secret in the settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from polymart.config.base import Frozen


class NoAccess(Frozen):
    """The API asks nobody: a port-forward."""

    method: Literal["none"] = "none"


class TokenFile(Frozen):
    """A bearer token in a file, read again for every request."""

    method: Literal["token_file"]
    file: str
    """POLYMART_KFP_TOKEN_FILE comes first."""


class ServiceAccount(Frozen):
    """The token that a cluster projects into a pod for this audience, read again for every request."""

    method: Literal["service_account"]
    file: str = "/var/run/secrets/kubeflow/pipelines/token"


class ClientCredentials(Frozen):
    """OAuth 2 client credentials: a token is fetched, kept until shortly before its end, fetched anew when refused."""

    method: Literal["client_credentials"]
    token_url: str = Field(pattern="^https?://")
    client_id: str
    secret_file: str
    """File with the client's secret."""
    scope: str = ""
    audience: str = ""


Access = Annotated[NoAccess | TokenFile | ServiceAccount | ClientCredentials, Field(discriminator="method")]
