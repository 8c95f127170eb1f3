"""A stopped server leaves no process behind, not even one that leads a group of its own and hears no signal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from serving.server import stop

STUCK_WORKER = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(99)"
)
SUPERVISOR = """
import subprocess, sys, time
command = [sys.executable, "-c", sys.argv[1]]
worker = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)
assert worker.stdout.readline() == "on\\n"
print(worker.pid, flush=True)
time.sleep(99)
"""


def test_a_stuck_worker_ends_with_its_server(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, STUCK_WORKER], cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    worker = psutil.Process(int(process.stdout.readline()))
    process.stdout.close()
    stop(process, grace_s=10)
    assert process.returncode is not None
    gone, alive = psutil.wait_procs([worker], timeout=10)
    assert (gone, alive) == ([worker], [])


def test_a_server_that_ended_by_itself_is_stopped_too() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    process.wait(60)
    stop(process)
    assert process.returncode == 0
