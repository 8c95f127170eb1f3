"""The crash drill in its small form: a real process dies at every file operation of a monitoring pass."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_pass_killed_at_any_step_ends_at_the_next_as_if_nothing_had_happened():
    command = [sys.executable, "-m", "bench.crash_drill", "--small"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *different, last = done.stdout.splitlines()
    claim = json.loads(last)
    assert claim["holds"], different
    assert claim["n"] > 60, "windows are caught up, four reports are written, a retraining is claimed and started"
