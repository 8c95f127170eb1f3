"""Progress of a long step: plain lines for every log, structured lines for a terminal that watches.

A step runs in its own process (a pod, or a local subprocess), so it prints. Lines are rate-limited: one every
few seconds. ``polymart run`` reads the structured lines and draws one bar per step.
"""

from __future__ import annotations

import time

PREFIX = "polymart-progress"
"""Starts a structured line: ``polymart-progress<TAB>step<TAB>done<TAB>total<TAB>unit<TAB>note``."""


class Progress:
    """Reports ``done`` of ``total`` units at most once per ``every_s`` seconds, and always at the end."""

    def __init__(self, step: str, total: int, unit: str, every_s: float = 2.0) -> None:
        self.step, self.total, self.unit, self.every_s = step, total, unit, every_s
        self._last = float("-inf")

    def __call__(self, done: int, note: str = "") -> None:
        """Report that ``done`` units are complete."""
        now = time.monotonic()
        if done < self.total and now - self._last < self.every_s:
            return
        self._last = now
        print("\t".join((PREFIX, self.step, str(done), str(self.total), self.unit, " ".join(note.split()))), flush=True)


def parse(line: str) -> tuple[str, int, int, str, str] | None:
    """(step, done, total, unit, note) of a structured line, or None for any other line."""
    _, found, rest = line.rstrip("\n").partition(PREFIX + "\t")
    parts = rest.split("\t")
    if not found or len(parts) != 5 or not (parts[1].isdecimal() and parts[2].isdecimal()):
        return None
    return parts[0], int(parts[1]), int(parts[2]), parts[3], parts[4]
