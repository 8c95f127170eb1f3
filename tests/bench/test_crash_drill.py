"""The crash drill in its small form: a real process dies at every file operation of a monitoring pass."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]


def test_passes_that_are_killed_at_any_step_or_race_leave_what_one_undisturbed_pass_leaves():
    command = [sys.executable, "-m", "bench.crash_drill", "--small"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    claims = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [claim["holds"] for claim in claims] == [True, True], done.stdout
    assert claims[0]["n"] > 60, "windows are caught up, four reports are written, a retraining is claimed and started"
