"""Run a pipeline in this process with kfp.local: the same object that compiles for a cluster."""

from __future__ import annotations

import builtins
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import TextIOBase
from pathlib import Path
from typing import Any, TextIO

from kfp import local

from polymart.errors import PolymartError
from polymart.progress import parse

ANSI = re.compile(r"\x1b\[[0-9;]*m")
STARTED = re.compile(r"Executing task '([a-z0-9-]+)'")
FINISHED = re.compile(r"Task '([a-z0-9-]+)' finished with status (SUCCESS|FAILURE)")
CACHED = re.compile(r"Task ([a-z0-9-]+) cache hit")
ERROR = re.compile(r"^\s*error: (.*)$")
WARNING = re.compile(r"^\s*warning: (.*)$")


@dataclass(frozen=True)
class Event:
    """Something that a running pipeline did."""

    step: str
    """Name of the component, with underscores."""
    state: str
    """started, progress, warning, done, cached or failed."""
    done: int = 0
    total: int = 0
    unit: str = ""
    note: str = ""


class StepFailed(PolymartError):
    """A step of a local run ended with an error; the message is the step's own."""


class _Tap(TextIOBase):
    """Takes everything that kfp and the steps print: all into the log file, events to the listener."""

    def __init__(self, log: TextIO, listen: Callable[[Event], None]) -> None:
        self.log, self.listen = log, listen
        self.messages: list[str] = []
        self.running = ""
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(ANSI.sub("", line))
        return len(text)

    def flush(self) -> None:
        self.log.flush()

    def _line(self, line: str) -> None:
        if progress := parse(line):
            step, done, total, unit, note = progress
            self.listen(Event(step, "progress", done, total, unit, note))
            return
        self.log.write(line + "\n")
        if found := STARTED.search(line):
            self.running, self.messages = _step(found[1]), []
            self.listen(Event(self.running, "started"))
        elif found := FINISHED.search(line):
            self.listen(Event(_step(found[1]), "done" if found[2] == "SUCCESS" else "failed"))
        elif found := CACHED.search(line):
            self.listen(Event(_step(found[1]), "cached"))
        elif found := WARNING.match(line):
            self.listen(Event(self.running, "warning", note=found[1]))
        elif found := ERROR.match(line):
            self.messages.append(found[1])


def _step(task: str) -> str:
    return task.replace("-", "_")


def run_local(
    pipeline: Any,
    arguments: Mapping[str, Any],
    *,
    root: Path,
    log: Path,
    listen: Callable[[Event], None],
    cache: bool = True,
) -> dict[str, Any]:
    """Run ``pipeline`` and return its outputs (artifacts have ``path`` and ``metadata``).

    Args:
        pipeline: an object of `pipelines.compiling.load_pipeline`.
        arguments: its parameters.
        root: artifacts go to ``root/<pipeline>-<time>/<task>/``, cached outputs are found again below it.
        log: everything that the steps print; appended.
        listen: called with every event.
        cache: reuse a step whose component, parameters and input artifacts are unchanged.

    Raises:
        StepFailed: a step ended with an error; carries the step's message and names the log.
    """
    root.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as handle, tempfile.TemporaryDirectory(prefix="polymart-run-") as scratch:
        tap = _Tap(handle, listen)
        with _contained(tap, scratch):
            local.init(
                local.SubprocessRunner(use_venv=False),
                pipeline_root=str(root.resolve()),
                enable_caching=cache,
                cache_root=str(root.resolve() / "cache"),
            )
            try:
                return dict(pipeline(**arguments).outputs)
            except RuntimeError as error:
                message, *rest = tap.messages or [f"{error} (its last lines stand in the log)"]
                remedy = " ".join(line.strip().removeprefix("remedy: ") for line in rest)
                raise StepFailed(
                    f"step {tap.running} failed: {message}", remedy=f"{remedy} (log: {log})".strip()
                ) from None


@contextmanager
def _contained(tap: _Tap, scratch: str) -> Iterator[None]:
    """Send prints and logs to the tap; kfp leaks a folder per task, so give it one that is removed."""
    before_print, before_temp = builtins.print, tempfile.tempdir
    root, handler = logging.getLogger(), logging.StreamHandler(tap)
    before_level, before_handlers = root.level, root.handlers[:]
    tempfile.tempdir = scratch
    logging.captureWarnings(True)
    # kfp tells of a cache hit on the root logger, outside its own logging context.
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        with redirect_stdout(tap):
            yield
    finally:
        root.handlers[:] = before_handlers
        root.setLevel(before_level)
        logging.captureWarnings(False)
        # ParallelFor can leave print patched (kfp 2.17).
        builtins.print, tempfile.tempdir = before_print, before_temp
