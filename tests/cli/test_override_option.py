"""An override travels from the command line to the run, or is refused before it; the summary tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixtures.evaluations import made_evaluation, made_verdict
from typer.testing import CliRunner

from polymart.cli import summary
from polymart.cli.job import Job
from polymart.cli.main import build_app
from polymart.config import Settings, load_suite
from polymart.errors import GateError

SUITE = str(Path(__file__).parents[2] / "suites/quick.yaml")
TRAINING = ["submit", "training", "--suite", SUITE, "--dry-run"]


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYMART_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("POLYMART_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("POLYMART_EXTRA_DATA", raising=False)


@pytest.mark.parametrize(
    "command",
    [
        ["run", SUITE, "--override", "because"],
        [*TRAINING, "--override", "Ada:"],
        [*TRAINING, "--argument", "override=: because"],
    ],
)
def test_a_malformed_override_is_refused_before_anything_runs(command, tmp_path):
    done = CliRunner().invoke(build_app(), command)
    assert isinstance(done.exception, GateError)
    assert "must be '<who>: <why>'" in done.exception.message
    assert not list(tmp_path.iterdir())


def test_submit_passes_the_override_on():
    done = CliRunner().invoke(build_app(), [*TRAINING, "--override", "Ada: the champion loses orders"])
    assert json.loads(done.stdout)["arguments"]["override"] == "Ada: the champion loses orders"


@pytest.mark.parametrize("override", ["", "Ada: the champion loses orders"])
def test_the_summary_tells_every_gate_that_did_not_pass_and_the_override(override, tmp_path, capsys, monkeypatch):
    from rich.console import Console

    monkeypatch.setattr(summary, "console", lambda: Console(width=200))
    suite = load_suite(SUITE)
    evaluation = made_evaluation(suite)
    missed = {
        ("champion", "intent"): ("fail", "intent: accuracy 0.871 is 0.031 below the champion"),
        ("size", ""): ("inconclusive", "the checkpoint's size was not measured"),
    }
    verdict = made_verdict(evaluation, missed, override)
    release = "quick-0123456789ab" if override else ""
    summary.print_summary(Job(suite, Path(SUITE), Settings(), tmp_path, evaluation, verdict, release=release))
    shown = capsys.readouterr().out
    assert "fail champion: intent: accuracy 0.871 is 0.031 below the champion\n" in shown
    assert "inconclusive size: the checkpoint's size was not measured\n" in shown
    assert ("override: Ada: the champion loses orders" in shown) == bool(override)
    assert ("Not released: the verdict is fail" in shown) == (not override)
    (row,) = [line for line in shown.splitlines() if line.startswith(" intent")]
    assert " fail " in row
    (row,) = [line for line in shown.splitlines() if line.startswith(" demand")]
    assert " pass " in row
