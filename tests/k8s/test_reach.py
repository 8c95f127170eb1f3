"""Who reaches whom, worked out from the rendered network policies as a cluster would."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from fixtures.overlays import K8S, OVERLAYS, Documents, drop, rendered

from polymart.release.world import World, selects


@dataclass(frozen=True)
class End:
    """A pod as policies see it."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    namespace_labels: tuple[tuple[str, str], ...] = ()


def ours(environment: str, name: str, **labels: str) -> End:
    return End(f"polymart-{environment}", (("app.kubernetes.io/name", f"polymart-{name}"), *labels.items()))


def stranger(**labels: str) -> End:
    return End("elsewhere", namespace_labels=tuple(labels.items()))


def reaches(documents: Documents, source: End, target: End, port: int) -> bool:
    """Whether the sender's policies let it out and the receiver's let it in; no policy means free."""
    out = _allowed(documents, source, target, port, "Egress", "egress", "to")
    return out and _allowed(documents, target, source, port, "Ingress", "ingress", "from")


def _allowed(documents: Documents, mine: End, other: End, port: int, direction: str, rules: str, peers: str) -> bool:
    policies = [
        d["spec"]
        for d in World(documents).of_kind("NetworkPolicy")
        if d["metadata"]["namespace"] == mine.namespace
        and selects(d["spec"]["podSelector"], dict(mine.labels))
        and direction in d["spec"]["policyTypes"]
    ]
    return not policies or any(
        any(_is(peer, other, mine.namespace, documents) for peer in rule[peers])
        and any(p["port"] <= port <= p.get("endPort", p["port"]) for p in rule["ports"])
        for policy in policies
        for rule in policy.get(rules, [])
    )


def _is(peer: dict, end: End, home: str, documents: Documents) -> bool:
    if "ipBlock" in peer:
        return False  # pods have no address here: blocks are judged by the policy `peers_are_named`
    space = dict(end.namespace_labels) | {"kubernetes.io/metadata.name": end.namespace}
    for document in World(documents).of_kind("Namespace"):
        if document["metadata"]["name"] == end.namespace:
            space |= document["metadata"]["labels"]
    inside = selects(peer["namespaceSelector"], space) if "namespaceSelector" in peer else end.namespace == home
    return inside and selects(peer.get("podSelector", {}), dict(end.labels))


@pytest.fixture(scope="module")
def staging() -> Documents:
    return rendered(OVERLAYS["staging"]) + rendered(K8S / "overlays/staging-next")


CLIENT = {"polymart/client": "true"}
MAIN, NEXT = (ours("staging", "serving", **{"polymart/variant": name}) for name in ("main", "next"))
STORES, DNS = stranger(**{"polymart/stores": "true"}), End("kube-system")
MONITOR, MLFLOW, DRIFT = (ours("staging", name) for name in ("monitor", "mlflow", "drift"))
FEATURES = ours("staging", "feature-server")


@pytest.mark.parametrize(
    ("source", "target", "port", "expected"),
    [
        (MAIN, NEXT, 3000, True),  # variants hand requests to each other
        (NEXT, MAIN, 3000, True),
        (MAIN, NEXT, 22, False),
        (stranger(**CLIENT), MAIN, 3000, True),
        (stranger(**CLIENT), DRIFT, 9108, True),
        (stranger(), MAIN, 3000, False),
        (MONITOR, MAIN, 3000, False),
        (MAIN, STORES, 5432, True),
        (NEXT, STORES, 5432, True),
        (FEATURES, STORES, 5432, True),
        (MLFLOW, STORES, 5432, True),
        (MONITOR, STORES, 5432, False),
        (ours("staging", "monitor", **{"polymart/registry-client": "true"}), MLFLOW, 5000, True),
        (MAIN, MLFLOW, 5000, False),
        (stranger(**CLIENT), MLFLOW, 5000, False),
        (stranger(**CLIENT), FEATURES, 6566, False),
        (stranger(**{"polymart/feature-client": "true"}), FEATURES, 6566, True),
        (MONITOR, End("kubeflow"), 8888, True),
        (MAIN, End("kubeflow"), 8888, False),
        (MAIN, DNS, 53, True),
        (DRIFT, DNS, 53, True),
        (End("polymart-staging"), MAIN, 3000, False),  # a pod that nobody thought of
        (End("polymart-staging"), STORES, 5432, False),
    ],
)
def test_pods_reach_whom_they_need_and_nobody_else(staging, source, target, port, expected):
    assert reaches(staging, source, target, port) == expected


def test_without_an_experiment_servers_do_not_reach_each_other():
    assert not reaches(
        rendered(OVERLAYS["production"]), ours("production", "serving"), ours("production", "serving"), 3000
    )


def test_the_matrix_sees_a_missing_policy(staging):
    without = list(staging)
    drop(without, "NetworkPolicy", "polymart-variants")
    assert not reaches(without, MAIN, NEXT, 3000)
    drop(without, "NetworkPolicy", "default-deny")
    assert reaches(without, stranger(), End("polymart-staging"), 80)


def test_machines_of_a_training_reach_each_other():
    documents = rendered(K8S / "training") + rendered(OVERLAYS["staging"])
    machine = ours("training", "training")
    assert reaches(documents, machine, machine, 29400)
    assert not reaches(documents, End("polymart-training"), machine, 29400)
    assert reaches(documents, End("polymart-training"), MLFLOW, 5000)
    assert not reaches(documents, End("polymart-training"), MAIN, 3000)
    assert not reaches(documents, End("polymart-training"), stranger(), 5000)
