"""Benchmarks: ``python -m bench.NAME [--small]``; each ends with one JSON line per claim."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def claim(text: str, value: float, goal: str, holds: bool, n: int) -> None:
    """Print one claim: its text, the measured value, the goal in words, whether it holds, and the number of runs."""
    print(json.dumps({"claim": text, "value": round(value, 4), "goal": goal, "holds": bool(holds), "n": n}), flush=True)


def machine() -> dict[str, str]:
    """What a committed result came from: commit, processor, cores, versions."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "commit": commit.strip(),
        "processor": model[1] if model else platform.processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "torch": version("torch"),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
