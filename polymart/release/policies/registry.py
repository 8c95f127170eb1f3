"""Where a rule is entered, so that `POLICIES` can be neither longer nor shorter than what is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from polymart.release.world import World

Rule = Callable[[World], Iterator[str]]
POLICIES: dict[str, Rule] = {}
"""Rule name -> rule, in the order of the modules and of their lines."""


def policy(rule: Rule) -> Rule:
    """Enter a rule under its name."""
    POLICIES[rule.__name__] = rule
    return rule
