"""Gate ``probe``: the very bento starts, answers as the trained model does, and refuses what is no request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polymart.evaluation.records import GateResult
from polymart.gates.base import decide, result


def probe(found: Mapping[str, Any]) -> GateResult:
    """One result; anything but a probe that says ``pass`` fails.

    Args:
        found: as `probe_bento` writes it: ``status``, ``cause``, ``max_difference``, ``tolerance``.
    """
    passed = found["status"] == "pass" and found["max_difference"] <= found["tolerance"]
    return result(
        "probe",
        "",
        decide(passed, not passed),
        float("nan") if found["max_difference"] is None else found["max_difference"],
        f"the started bento is ready, differs from the trainer by at most {found['tolerance']:g} and refuses bad "
        "requests",
        f"the bento failed its probe: {found['cause']}",
    )
