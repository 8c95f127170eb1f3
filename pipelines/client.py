"""Submit a compiled pipeline to Kubeflow Pipelines and, if asked, wait for its end."""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from polymart.errors import PolymartError, SettingError

if TYPE_CHECKING:
    from kfp import Client

FINAL_STATES = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
"""States that a run does not leave; kfp's own wait does not know CANCELED and would wait for ever."""
REQUEST_TIMEOUT_S = 30.0
"""Longest wait for one answer."""
POLL_FAILURES = 5
"""Polls in a row that may fail (a restarting server, a token being rotated) before the wait gives up."""


@dataclass(frozen=True)
class Submission:
    """A run that was submitted."""

    run_id: str
    run_name: str
    url: str
    """Page of the run in the Kubeflow Pipelines UI."""
    state: str
    """One of `FINAL_STATES` after waiting; otherwise what the server said when it took the run."""
    error: str = ""
    """The server's words about a failed run."""

    @property
    def succeeded(self) -> bool:
        """Whether the run ended well."""
        return self.state == "SUCCEEDED"


def submit(
    package: Path,
    *,
    host: str,
    token_file: Path | None = None,
    experiment: str,
    run_name: str,
    arguments: Mapping[str, Any] | None = None,
    wait: bool = False,
    timeout_s: float = 86_400,
    poll_s: float = 10,
) -> Submission:
    """Start a run of a compiled pipeline.

    Args:
        package: IR YAML written by `pipelines.compiling.compile_pipeline`.
        host: address of the Kubeflow Pipelines API, e.g. a port-forward or an ingress.
        token_file: file with a bearer token; read again whenever a new connection is made.
        wait: return only when the run reached one of `FINAL_STATES`; a failed run does not raise.
        timeout_s: longest wait; the run goes on after it.
        poll_s: seconds between two looks at the run.

    Raises:
        SettingError: ``host`` is missing, unreachable or refuses the token, or the token file cannot be read.
        PolymartError: the server failed, or the run did not end within ``timeout_s``.
    """
    client = _connect(host, token_file)
    with _told(host), contextlib.redirect_stdout(io.StringIO()):  # kfp prints links; the caller prints ours
        made = client.create_experiment(experiment)
        run = client.run_pipeline(made.experiment_id, run_name, str(package), params=dict(arguments or {}))
    submission = Submission(
        run.run_id, run_name, f"{host.rstrip('/')}/#/runs/details/{run.run_id}", run.state or "PENDING"
    )
    return _wait(client, submission, host, token_file, timeout_s, poll_s) if wait else submission


def check_health(host: str, token_file: Path | None = None) -> None:
    """Ask the server whether it is well, once and quickly (kfp's client would try for 25 s and hide the cause).

    Raises:
        SettingError: ``host`` is missing, unreachable or refuses the token.
        PolymartError: the server answers with an error.
    """
    if not host.startswith(("http://", "https://")):
        raise SettingError(
            f"a Kubeflow Pipelines host must start with http:// or https://, found {host!r}",
            remedy="set POLYMART_KFP_HOST or give --host; to try without a cluster use `polymart run`",
        )
    token = _token(token_file)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(f"{host.rstrip('/')}/apis/v2beta1/healthz", headers=headers, timeout=REQUEST_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise _unreachable(host, error) from error
    if answer.is_redirect or answer.status_code in (401, 403):
        raise _unauthorised(host, answer.status_code)
    if not answer.is_success:
        raise _server_failed(host, answer.status_code, answer.text)


def _connect(host: str, token_file: Path | None) -> Client:
    check_health(host, token_file)
    from kfp import Client

    with warnings.catch_warnings(), _told(host):
        warnings.simplefilter("ignore", FutureWarning)  # "only works with Kubeflow Pipelines 2": so do we
        client = Client(host=host, existing_token=_token(token_file) or None)
    _bound_requests(client)
    return client


def _bound_requests(client: Client) -> None:
    """Give every request a timeout: the client has no setting for it and a hung server would block for ever."""
    rest = client._run_api.api_client.rest_client  # one connection pool behind all of its services
    unbounded = rest.request

    def request(*positional: Any, **named: Any) -> Any:
        # a pair (connect, read): the client ignores a single number that is a float, without a word
        named["_request_timeout"] = (REQUEST_TIMEOUT_S, REQUEST_TIMEOUT_S)
        return unbounded(*positional, **named)

    rest.request = request


def _wait(
    client: Client, submission: Submission, host: str, token_file: Path | None, timeout_s: float, poll_s: float
) -> Submission:
    deadline, failures, state = time.monotonic() + timeout_s, 0, submission.state
    while True:
        try:
            with _told(host):
                run = client.get_run(submission.run_id)
            failures, state = 0, run.state or state
            if state in FINAL_STATES:
                words = run.error.message if run.error and run.error.message else ""
                return Submission(submission.run_id, submission.run_name, submission.url, state, words)
        except PolymartError:
            failures += 1
            if failures >= POLL_FAILURES:
                raise
            with contextlib.suppress(PolymartError):
                client = _connect(host, token_file)
        if time.monotonic() + poll_s > deadline:
            raise PolymartError(
                f"run {submission.run_name} is still {state} after {timeout_s:g} s; it goes on at {submission.url}",
                remedy="wait longer with --timeout, or look at the run's page",
            )
        time.sleep(poll_s)


@contextlib.contextmanager
def _told(host: str) -> Iterator[None]:
    """Turn the client's exceptions into ours."""
    import urllib3
    from kfp_server_api import ApiException

    try:
        yield
    except ApiException as error:
        if error.status in (401, 403):
            raise _unauthorised(host, error.status) from error
        raise _server_failed(host, error.status, error.body or error.reason) from error
    except (urllib3.exceptions.HTTPError, TimeoutError) as error:
        raise _unreachable(host, error) from error


def _token(token_file: Path | None) -> str:
    if token_file is None:
        return ""
    try:
        token = token_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"token file {token_file} cannot be read: {error}", remedy="set POLYMART_KFP_TOKEN_FILE to a readable file"
        ) from error
    if not token:
        raise SettingError(f"token file {token_file} is empty", remedy="write the bearer token into it")
    return token


def _unreachable(host: str, error: Exception) -> SettingError:
    return SettingError(
        f"Kubeflow Pipelines at {host} cannot be reached: {error or type(error).__name__}",
        remedy="check the address, the port-forward or VPN, and that the API server runs",
    )


def _unauthorised(host: str, status: int) -> SettingError:
    return SettingError(
        f"Kubeflow Pipelines at {host} refuses us (status {status})",
        remedy="put a valid token into a file and set POLYMART_KFP_TOKEN_FILE to it",
    )


def _server_failed(host: str, status: int, words: object) -> PolymartError:
    return PolymartError(
        f"Kubeflow Pipelines at {host} answered with status {status}: {str(words).strip()[:300]}",
        remedy="look at the API server's log; the same command can be run again",
    )
