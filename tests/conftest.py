"""Shared by every test folder: `tests/fixtures` is importable, nothing phones home, no user setting leaks in,
and hypothesis repeats its examples and watches no clock (machines differ)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

for name in [name for name in os.environ if name.startswith("POLYMART_") and name != "POLYMART_EXTRA_DATA"]:
    del os.environ[name]
os.environ |= {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Tiny models gain nothing from threads, and workers of threads that wait for each other lose much.
    "OMP_NUM_THREADS": "1",
}

settings.register_profile("polymart", deadline=None, derandomize=True)
settings.load_profile("polymart")
