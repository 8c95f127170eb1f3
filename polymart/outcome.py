"""How a run of a pipeline ended, told to the log and to an Alertmanager."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from polymart.errors import PolymartError

ALERT = "PolymartRunFailed"
STANDS = timedelta(days=7)
"""How long an alert stands unless a later success ends it: Alertmanager forgets one that nobody repeats in minutes."""
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Outcome:
    """The end of one run."""

    pipeline: str
    suite: str
    state: str
    """Final state in Kubeflow's words."""
    run_id: str
    step: str = ""
    """The step that ended it, where Kubeflow tells."""
    words: str = ""
    """Kubeflow's words about a failure."""
    page: str = ""
    """Address of the user interface."""

    @property
    def succeeded(self) -> bool:
        """Whether the run ended well."""
        return self.state == "SUCCEEDED"

    @property
    def link(self) -> str:
        """The run's page; empty where the user interface is not known."""
        return f"{self.page.rstrip('/')}/#/runs/details/{self.run_id}" if self.page else ""


def alert(outcome: Outcome, at: datetime) -> dict[str, Any]:
    """One alert as Alertmanager's API takes it; a success is the end of the alert with the same labels."""
    return {
        "labels": {"alertname": ALERT, "severity": "ticket", "pipeline": outcome.pipeline, "suite": outcome.suite},
        "annotations": {
            "summary": f"{outcome.pipeline} of {outcome.suite} ended as {outcome.state} (run {outcome.run_id})",
            "description": f"{outcome.step} {outcome.words}".strip()[:1000] or "Its page shows which step and why.",
            "runbook_url": "docs/runbook.md#polymartrunfailed",
        },
        "startsAt": at.isoformat(),
        "endsAt": (at if outcome.succeeded else at + STANDS).isoformat(),
        **({"generatorURL": outcome.link} if outcome.link else {}),
    }


def report(outcome: Outcome, alertmanager: str = "", *, at: datetime | None = None) -> None:
    """Print how the run ended and tell the Alertmanager, if one is named.

    Raises:
        PolymartError: the Alertmanager does not take the alert. The step fails visibly: nobody was told.
    """
    print(f"run {outcome.run_id}: {outcome.pipeline} of {outcome.suite} ended as {outcome.state}", flush=True)
    if not outcome.succeeded:
        print(f"  {outcome.step} {outcome.words}".rstrip(), flush=True)
    if not alertmanager:
        return
    url = f"{alertmanager.rstrip('/')}/api/v2/alerts"
    try:
        httpx.post(url, json=[alert(outcome, at or datetime.now(UTC))], timeout=TIMEOUT_S).raise_for_status()
    except httpx.HTTPError as error:
        raise PolymartError(
            f"the end of run {outcome.run_id} ({outcome.state}) could not be told to {url}: {error}",
            remedy="check POLYMART_ALERTMANAGER in the config map of the pipeline's pods, and the network policy",
        ) from error
