"""What a run is going to take and cost, told from the last runs of the same pipeline and suite."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from pipelines.client.orders import Order
from pipelines.client.runs import find_runs
from pipelines.client.server import Server
from polymart.config.cluster import Prices

RUNS = 5
"""Runs that are looked at, the newest that succeeded."""


@dataclass(frozen=True)
class Needs:
    """What a step asks for."""

    cores: float
    gib: float
    gpus: float


@dataclass(frozen=True)
class Estimate:
    """Seconds of pods, and money; None for what is not known."""

    num_runs: int = 0
    """Earlier runs that it is told from."""
    pod_seconds: float | None = None
    """Of all steps together, the median of each; a step that was reused from the cache does not count."""
    cost: float | None = None
    currency: str = ""
    unknown: tuple[str, ...] = field(default=())
    """Why something is not known, and which steps no earlier run has been through."""

    def __str__(self) -> str:
        money = "cost unknown" if self.cost is None else f"about {self.cost:.2f} {self.currency}"
        hours = "" if self.pod_seconds is None else f" for {self.pod_seconds / 3600:.2f} h of pods"
        source = f" (median of {self.num_runs} earlier runs)" if self.num_runs else ""
        return f"{money}{hours}{source}" + "".join(f"; {reason}" for reason in self.unknown)


def estimate(server: Server, order: Order) -> Estimate:
    """What a run of ``order`` is going to take if no step is reused."""
    runs = [
        run for run in find_runs(server, order.family, limit=50) if run.succeeded and run.name.startswith(order.family)
    ]
    told = [server.ask(server.runs.run_service_get_run, run.run_id) for run in runs[:RUNS]]
    return estimated(step_needs(order), [durations(run) for run in told], server.cluster.prices)


def estimated(needs: dict[str, Needs], past: list[dict[str, float]], prices: Prices) -> Estimate:
    """The estimate from the steps' needs and the seconds that each step took in earlier runs."""
    past = [run for run in past if run]
    if not past:
        return Estimate(unknown=("no earlier run of this pipeline and suite tells how long its steps take",))
    seconds = {step: median(found) for step in needs if (found := [run[step] for run in past if step in run])}
    unseen = sorted(needs.keys() - seconds.keys())
    unknown = [f"not known: {', '.join(unseen)}"] if unseen else []
    asked = {"core_hour": any(n.cores for n in needs.values()), "gib_hour": any(n.gib for n in needs.values())}
    asked["gpu_hour"] = any(n.gpus for n in needs.values())
    unpriced = [name for name, wanted in asked.items() if wanted and getattr(prices, name) is None]
    if unpriced:
        unknown.append(f"prices.{', prices.'.join(unpriced)} not set in the cluster settings")
    cost = None if unpriced else sum(_price(needs[step], prices) * s / 3600 for step, s in seconds.items())
    return Estimate(len(past), sum(seconds.values()), cost, prices.currency, tuple(unknown))


def _price(needs: Needs, prices: Prices) -> float:
    """Of an hour."""
    core, gib, gpu = prices.core_hour or 0, prices.gib_hour or 0, prices.gpu_hour or 0
    return needs.cores * core + needs.gib * gib + needs.gpus * gpu


def step_needs(order: Order) -> dict[str, Needs]:
    """Step -> what it asks for, out of a compiled pipeline."""
    specification = order.specification
    executors = specification.get("pipeline_spec", specification)["deploymentSpec"]["executors"]
    return {
        name.removeprefix("exec-"): _needs(executor["container"].get("resources", {}))
        for name, executor in executors.items()
        if "container" in executor
    }


def _needs(resources: dict[str, Any]) -> Needs:
    def of(key: str) -> float:
        return float(parse_quantity(resources.get(key, "0")))

    gpus = float(resources.get("accelerator", {}).get("resourceCount", 0))
    return Needs(of("resourceCpuLimit"), of("resourceMemoryLimit") / 2**30, gpus)


def durations(run: Any) -> dict[str, float]:
    """Step -> seconds, of the steps that a run carried out itself."""
    tasks = (run.run_details.task_details or ()) if run.run_details else ()
    return {
        task.display_name: _seconds(task.start_time, task.end_time)
        for task in tasks
        if task.state == "SUCCEEDED" and task.start_time and task.end_time
    }


def _seconds(start: datetime, end: datetime) -> float:
    return max((end - start).total_seconds(), 0.0)
