"""Who may speak to whom."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network
from typing import Any

from polymart.release.policies.registry import policy
from polymart.release.world import World, namespace_of, selects

METADATA = IPv4Network("169.254.0.0/16")
"""Where a cloud hands out the credentials of its nodes."""


@policy
def network_is_denied_by_default(world: World) -> Iterator[str]:
    """Each namespace denies all traffic, and policies of its own cover each pod, in both directions."""
    for pod in world.pods:
        policies = [d["spec"] for d in world.of_kind("NetworkPolicy") if namespace_of(d) == pod.namespace]
        mine = [spec for spec in policies if selects(spec["podSelector"], pod.labels)]
        if not any(_denies_all(spec) for spec in mine):
            yield f"{pod.name}'s namespace has no default-deny policy"
        own = [set(spec.get("policyTypes", [])) for spec in mine if spec["podSelector"]]
        if set().union(*own) != {"Ingress", "Egress"}:
            yield f"{pod.name} is covered by no policy of its own for both directions"


def _denies_all(spec: dict[str, Any]) -> bool:
    both = set(spec.get("policyTypes", [])) == {"Ingress", "Egress"}
    return spec["podSelector"] == {} and both and not spec.get("ingress") and not spec.get("egress")


@policy
def peers_are_named(world: World) -> Iterator[str]:
    """No policy is open to any peer or any port; one that opens the internet leaves out the cloud's credentials."""
    for document in world.of_kind("NetworkPolicy"):
        name, spec = f"NetworkPolicy/{document['metadata']['name']}", document["spec"]
        for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
            peers = rule.get("from") or rule.get("to")
            if not peers or not rule.get("ports"):
                yield f"{name} is open to any peer or any port"
            for peer in peers or []:
                if peer in ({}, {"namespaceSelector": {}}):
                    yield f"{name} is open to every namespace"
                if _reaches_metadata(peer.get("ipBlock")):
                    yield f"{name} reaches {METADATA}"


def _reaches_metadata(block: dict[str, Any] | None) -> bool:
    if block is None or not ip_network(block["cidr"]).overlaps(METADATA):
        return False
    left_out = [ip_network(other) for other in block.get("except", [])]
    return not any(isinstance(other, IPv4Network) and METADATA.subnet_of(other) for other in left_out)
