"""One Kubeflow Pipelines server: KFP's generated client with timeouts, fresh tokens, patience and clear errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import kfp_server_api as api
import tenacity
import urllib3

from pipelines.client.tokens import token_of
from polymart.config import Access, Cluster
from polymart.errors import PolymartError, SettingError

REQUEST_TIMEOUT_S = 30.0
"""Longest wait for one answer."""
PAUSE_S = 0.5
"""Before a question is repeated; doubles each time."""
ATTEMPTS = 4
FAILURES = (408, 429, 500, 502, 503, 504)
"""Answers that say nothing about the request: a proxy or the server gave up, and may or may not have carried it out."""
PAGE = 100


class NoAnswer(PolymartError):
    """The server failed or was silent: the request may or may not have been carried out."""


class Refused(SettingError):
    """The server does not let us in."""


class Server:
    """A Kubeflow Pipelines API and how we speak to it.

    Args:
        cluster: its settings.
        host: instead of the cluster's.
        access: instead of the cluster's.

    Raises:
        SettingError: there is no host.
    """

    def __init__(self, cluster: Cluster, *, host: str = "", access: Access | None = None) -> None:
        self.host = (host or cluster.host).rstrip("/")
        if not self.host.startswith(("http://", "https://")):
            raise SettingError(
                f"a Kubeflow Pipelines host must start with http:// or https://, found {self.host!r}",
                remedy="give --host, POLYMART_KFP_HOST or host in the cluster settings; "
                "to try without a cluster use `polymart run`",
            )
        self.page = (cluster.page or self.host).rstrip("/")
        self.cluster, self._token = cluster, token_of(access or cluster.access)
        self.namespace = cluster.namespace if cluster.multi_user else None
        settings = api.Configuration(host=self.host)
        settings.ssl_ca_cert = cluster.ca_file
        settings.retries = False  # urllib3's own would repeat blindly, and follow a redirect to a login page
        if self._token:
            settings.api_key_prefix["authorization"] = "Bearer"
            settings.api_key["authorization"] = "read before each request"
            settings.refresh_api_key_hook = self._give_token
        client = api.ApiClient(settings)
        self.health, self.uploads = api.HealthzServiceApi(client), api.PipelineUploadServiceApi(client)
        self.runs, self.schedules = api.RunServiceApi(client), api.RecurringRunServiceApi(client)
        self.experiments, self.pipelines = api.ExperimentServiceApi(client), api.PipelineServiceApi(client)

    def check(self) -> None:
        """See whether anybody is there and lets us in; once, without patience.

        Raises:
            Refused, NoAnswer: nobody is, or does not.
        """
        self.tell(self.health.healthz_service_get_healthz)

    def ask(self, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """A question, which changes nothing: repeated while no answer comes.

        Raises:
            Refused: the server does not let us in.
            NoAnswer: still none.
            PolymartError: the server understood and says no.
        """
        patient = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_exponential(PAUSE_S, max=8),
            retry=tenacity.retry_if_exception_type(NoAnswer),
            reraise=True,
        )
        return patient(self.tell, method, *given, **named)

    def tell(self, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """One request, sent once; a token that was refused is renewed where it can be (nothing was carried out)."""
        named = {name: value for name, value in named.items() if value is not None}
        timeout = {"_request_timeout": (REQUEST_TIMEOUT_S, REQUEST_TIMEOUT_S)}  # connect, read
        try:
            try:
                return method(*given, **named, **timeout)
            except api.ApiException as error:
                if error.status != 401 or not (self._token and self._token.renew()):
                    raise
                return method(*given, **named, **timeout)
        except api.ApiException as error:
            raise self._told(error) from error
        except (urllib3.exceptions.HTTPError, TimeoutError, OSError) as error:
            raise NoAnswer(
                f"Kubeflow Pipelines at {self.host} cannot be reached: {error or type(error).__name__}",
                remedy="check the address, the port-forward or VPN, and that the API server runs",
            ) from error

    def every(self, method: Callable[..., Any], key: str, *given: Any, **named: Any) -> Iterator[Any]:
        """The items of a list, page by page."""
        token: str | None = None
        while True:
            page = self.ask(method, *given, page_token=token, page_size=PAGE, **named)
            yield from getattr(page, key) or ()
            if not (token := page.next_page_token):
                return

    def page_of(self, run_id: str) -> str:
        """Address of a run in the user interface."""
        return f"{self.page}/#/runs/details/{run_id}"

    def _give_token(self, settings: Any) -> None:
        assert self._token is not None
        settings.api_key["authorization"] = self._token.read()

    def _told(self, error: api.ApiException) -> PolymartError:
        if error.status in (301, 302, 303, 307, 308, 401, 403):
            return Refused(
                f"Kubeflow Pipelines at {self.host} refuses us (status {error.status})",
                remedy="renew the token, or set `access` in the cluster settings (or POLYMART_KFP_TOKEN_FILE)",
            )
        words = str(error.body or error.reason).strip()[:300]
        kind = NoAnswer if error.status in FAILURES else PolymartError
        return kind(
            f"Kubeflow Pipelines at {self.host} answered with status {error.status}: {words}",
            remedy="look at the API server's log; the same command can be run again",
        )
