"""Shared by every test folder: `tests/fixtures` is importable, nothing phones home, no user setting leaks in,
hypothesis repeats its examples and watches no clock (machines differ), and files that take minutes start first."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

import pytest
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files marked ``long`` come first: workers take files in this order, and the last one should be short."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def _stack(context: int = 1) -> list[inspect.FrameInfo]:
    """`inspect.stack` without lines of source code.

    kfp asks for the whole stack at every setting of a task, to learn one name. Where thousands of modules are loaded,
    as in a test session, finding each frame's source takes ten of the twelve seconds of a compilation.
    """
    frame, found = sys._getframe(1), []
    while frame is not None:
        code = frame.f_code
        found.append(inspect.FrameInfo(frame, code.co_filename, frame.f_lineno, code.co_name, None, None))
        frame = frame.f_back
    return found


inspect.stack = _stack
