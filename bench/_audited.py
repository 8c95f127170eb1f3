"""Forked processes that hear of their own file operations, through Python's audit events."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

WATCHED = ("open", "os.rename", "os.mkdir", "os.remove", "os.truncate", "fcntl.flock")
"""Audit events that change files or take a lock."""


def fork(work: Callable[[], None], prepare: Callable[[], None] | None = None) -> int:
    """Run ``work`` in a forked process; returns its id."""
    pid = os.fork()
    if pid == 0:
        try:
            if prepare:
                prepare()
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return pid


def wait(pid: int) -> int:
    """Wait for its end; the exit status, negative for a signal.

    Raises:
        RuntimeError: it failed.
    """
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status > 0:
        raise RuntimeError("a pass failed; its error stands above")
    return status


def hook(folder: Path, listen: Callable[[int, str], None]) -> Callable[[], None]:
    """What a child installs to hear of its own steps below ``folder``: their number and their name."""

    def install() -> None:
        number = 0

        def hear(event: str, given: tuple[object, ...]) -> None:
            nonlocal number
            if event in WATCHED and (step := _step(event, given, folder)):
                number, now = number + 1, number
                listen(now, step)

        sys.addaudithook(hear)

    return install


def _step(event: str, given: tuple[object, ...], folder: Path) -> str:
    """Name of a step: the event and the file, without what is random in a temporary name; empty where it reads."""
    if event == "fcntl.flock":
        return event
    path, flags = str(given[0]), given[2] if event == "open" else os.O_WRONLY
    if not path.startswith(str(folder)) or not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
        return ""
    name = Path(path).name
    if name.endswith((".partial", ".old")):
        name = ".".join(name.split(".")[1:-2]) + " (temporary)"
    return f"{event} {name}"
