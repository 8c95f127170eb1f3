"""Who reads the output: a person at a terminal sees bars, a log gets plain lines."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator

import pytest

from pipelines.local import Event
from polymart.cli import console as module
from polymart.cli import steps
from polymart.cli.console import is_plain

EVENTS = [
    Event("prepare_tables", "cached"),
    Event("train_suite", "started"),
    Event("train_suite", "progress", 30, 120, "steps", "demand 0.70"),
    Event("train_suite", "done"),
    Event("importer-2", "started"),
    Event("importer-2", "done"),
    Event("promote_release", "warning", note="the registry [is] away; repeat with: polymart deploy record"),
    Event("probe_bento", "started"),
    Event("probe_bento", "failed"),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _fresh_console() -> Iterator[None]:
    module.console.cache_clear()
    yield
    module.console.cache_clear()


def play() -> steps.StepView:
    with steps.StepView() as view:
        for event in EVENTS:
            view(event)
    return view


def test_ci_and_pipes_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.delenv("CI", raising=False)
    assert not is_plain()
    monkeypatch.setenv("CI", "true")
    assert is_plain()
    monkeypatch.delenv("CI")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert is_plain()


def test_a_log_gets_lines_with_rate_time_left_and_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    view = play()
    captured = capsys.readouterr()
    assert captured.out == "", "progress belongs to stderr, so that results can be piped"
    lines = captured.err.splitlines()
    assert lines[0] == "prepare_tables: unchanged, reused"
    assert re.fullmatch(r"train_suite: 30/120 steps \([\d.]+/s, \d+ s left\) demand 0.70", lines[2])
    assert re.fullmatch(r"train_suite: done in [\d.]+ s", lines[3])
    assert "warning: the registry [is] away; repeat with: polymart deploy record" in lines
    assert re.fullmatch(r"probe_bento: FAILED in [\d.]+ s", lines[-1])
    assert not any("importer" in line for line in lines)
    assert view.states == {"prepare_tables": "cached", "train_suite": "done", "probe_bento": "failed"}


def test_a_terminal_sees_one_row_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", terminal)
    play()
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue()).splitlines()[-3:]
    assert [line.split()[:2] for line in last] == [
        ["=", "prepare_tables"],
        ["✓", "train_suite"],
        ["✗", "probe_bento"],
    ]
