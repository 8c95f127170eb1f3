"""Progress: bars in a terminal, few plain lines in a log."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart.cli import console as module
from polymart.cli.console import PlainProgress, is_plain, progress


class Clock:
    """Seconds that pass only when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(counts: list[int], total: int, seconds_each: float) -> list[str]:
    clock, lines = Clock(), []
    advance = PlainProgress("training", total, write=lines.append, clock=clock)
    for count in counts:
        clock.now += seconds_each
        advance(count)
    return lines


def test_a_fast_loop_tells_every_tenth():
    lines = shown([1] * 400, 400, 0.001)
    assert len(lines) == 10
    assert lines[0] == "training: 40/400 steps (10%), 1000.0 steps/s, 0 s left"
    assert lines[-1].startswith("training: 400/400 steps (100%)")


def test_a_slow_loop_tells_every_five_seconds_with_the_time_left():
    lines = shown([1] * 6, 100, 2.5)
    assert len(lines) == 3
    assert lines[0] == "training: 2/100 steps (2%), 0.4 steps/s, 245 s left"


@given(st.lists(st.integers(1, 50), min_size=1, max_size=200), st.floats(0, 1))
def test_the_end_is_always_told_once_and_lines_stay_few(counts, seconds_each):
    total = sum(counts)
    lines = shown(counts, total, seconds_each)
    assert sum("(100%)" in line and line.startswith(f"training: {total}/{total} ") for line in lines) == 1
    assert len(lines) <= 11 + len(counts) * seconds_each / 5


def test_ci_and_pipes_are_plain(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert is_plain()
    monkeypatch.setattr("sys.stderr", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    monkeypatch.delenv("CI", raising=False)
    assert not is_plain()
    monkeypatch.setenv("CI", "true")
    assert is_plain()


def test_plain_progress_goes_to_stderr(monkeypatch, capsys):
    monkeypatch.setenv("CI", "true")
    module.console.cache_clear()
    with progress("reading", 2, unit="tables") as advance:
        advance(1)
        advance(1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "reading: 2/2 tables (100%)" in captured.err
    module.console.cache_clear()


@pytest.mark.parametrize("total", [3])
def test_a_terminal_sees_a_bar_with_rate_and_time_left(monkeypatch, total):
    from rich.console import Console

    out = io.StringIO()
    monkeypatch.setattr(module, "is_plain", lambda: False)
    monkeypatch.setattr(module, "console", lambda stderr=False: Console(file=out, force_terminal=True, width=100))
    with progress("training", total) as advance:
        for _ in range(total):
            advance(1)
    assert "3/3" in out.getvalue()
    assert "steps/s" in out.getvalue()
