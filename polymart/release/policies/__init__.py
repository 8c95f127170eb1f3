"""What every rendered overlay must keep: one small function per rule, each yielding the lines that break it.

A pod here is the template of a workload. A rule that finds nothing to look at stays silent; `something_runs` is what
makes an empty overlay fail, and `every_pod_is_seen` what makes a kind of workload fail that the others overlook.
"""

from __future__ import annotations

from polymart.release.policies import access, argocd, network, pods, references, upkeep  # noqa: F401  (enter rules)
from polymart.release.policies.registry import POLICIES
from polymart.release.world import Document, World

__all__ = ["POLICIES", "broken_policies"]


def broken_policies(documents: list[Document]) -> list[str]:
    """One line ``rule: what breaks it`` for every breach."""
    world = World(documents)
    return [f"{name}: {line}" for name, rule in POLICIES.items() for line in rule(world)]
