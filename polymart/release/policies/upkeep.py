"""What keeps servers up and jobs in bounds."""

from __future__ import annotations

from collections.abc import Iterator

from polymart.release.policies.registry import policy
from polymart.release.world import World, namespace_of, selects


@policy
def servers_survive_drains(world: World) -> Iterator[str]:
    """Whatever runs for ever has a disruption budget that lets one pod go, and spreads over nodes."""
    for pod in world.pods:
        if not pod.runs_for_ever:
            continue
        budgets = [d["spec"] for d in world.of_kind("PodDisruptionBudget") if namespace_of(d) == pod.namespace]
        mine = [spec for spec in budgets if selects(spec["selector"], pod.labels)]
        if [spec.get("maxUnavailable") for spec in mine] != [1]:
            yield f"{pod.name} needs exactly one disruption budget with maxUnavailable 1, found {len(mine)} budget(s)"
        spreads = pod.spec.get("topologySpreadConstraints", [])
        if not any(selects(spread["labelSelector"], pod.labels) for spread in spreads):
            yield f"{pod.name} is not spread over nodes"


@policy
def jobs_end(world: World) -> Iterator[str]:
    """A scheduled job never overlaps itself, has a deadline and gives up."""
    for job in world.of_kind("CronJob"):
        name, spec = f"CronJob/{job['metadata']['name']}", job["spec"]
        if spec.get("concurrencyPolicy") != "Forbid":
            yield f"{name} may overlap itself"
        missing = {"activeDeadlineSeconds", "backoffLimit"} - spec["jobTemplate"]["spec"].keys()
        if missing:
            yield f"{name} states no {', '.join(sorted(missing))}"


@policy
def one_hand_scales(world: World) -> Iterator[str]:
    """What an autoscaler scales states no number of replicas, which Git would write back again and again."""
    for scaler in [*world.of_kind("HorizontalPodAutoscaler"), *world.of_kind("ScaledObject")]:
        target = scaler["spec"]["scaleTargetRef"]
        for document in world.of_kind(target.get("kind", "Deployment")):
            if document["metadata"]["name"] == target["name"] and "replicas" in document["spec"]:
                yield f"{document['kind']}/{target['name']} states replicas and has an autoscaler"


@policy
def canaries_are_judged(world: World) -> Iterator[str]:
    """A Rollout runs an analysis before its last weight, and a failed one brings the old release back."""
    for rollout in world.of_kind("Rollout"):
        canary = rollout["spec"].get("strategy", {}).get("canary", {})
        weights = [n for n, step in enumerate(canary.get("steps", [])) if "setWeight" in step]
        analyses = [n for n, step in enumerate(canary.get("steps", [])) if "analysis" in step]
        if not canary.get("analysis") or not analyses or not weights or min(analyses) > max(weights):
            yield f"Rollout/{rollout['metadata']['name']} sends customers to a release that no analysis judged"
