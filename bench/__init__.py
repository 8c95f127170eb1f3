"""Benchmarks: ``python -m bench.NAME [--small]``; each ends with one JSON line per claim."""

from __future__ import annotations

import json


def claim(text: str, value: float, goal: str, holds: bool, n: int) -> None:
    """Print one claim: its text, the measured value, the goal in words, whether it holds, and the number of runs."""
    print(json.dumps({"claim": text, "value": round(value, 4), "goal": goal, "holds": bool(holds), "n": n}), flush=True)
