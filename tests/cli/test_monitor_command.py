"""`polymart monitor hold` and `release`: who holds what, why and until when, kept in the environment's store."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from fixtures.registered import make_release, mood_suite
from typer.testing import CliRunner

from monitoring.ledger import Ledger
from polymart.cli import monitor
from polymart.errors import ReleaseError
from polymart.release.promotion import promote_release

UNTIL = "2099-12-27T08:00:00"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POLYMART_WORK_DIR", str(tmp_path))
    monkeypatch.delenv("POLYMART_DEPLOY_REPO", raising=False)
    promote_release(str(tmp_path / "deployment.git"), make_release(mood_suite(), checkpoint="a"), "staging")
    return tmp_path


def call(*arguments: str):
    return CliRunner().invoke(monitor.app, [*arguments, "--environment", "staging"])


def test_a_hold_is_kept_with_who_and_why_until_it_is_lifted(place: Path) -> None:
    done = call("hold", "--reason", "Christmas sale", "--until", UNTIL, "--by", "Ada")
    assert done.stdout == "staging: nothing is retrained until 2099-12-27 08:00 UTC (Ada: Christmas sale)\n"
    ledger = Ledger(place / "monitoring" / "staging")
    hold = ledger.state().hold
    assert (hold.by, hold.reason, hold.until) == ("Ada", "Christmas sale", datetime(2099, 12, 27, 8))
    assert call("release", "--by", "Bo").stdout == "staging: the hold of Ada (Christmas sale) is over\n"
    assert ledger.state().hold is None
    assert [entry.kind for entry in ledger.entries()] == ["held", "lifted"]
    assert call("release").stdout == "staging: no hold to end\n"


@pytest.mark.parametrize(
    ("until", "reason", "words"),
    [("2020-01-01", "sale", "future"), (UNTIL, " ", "--reason"), ("soon", "sale", "until")],
)
def test_a_hold_needs_a_reason_and_a_time_to_come(place: Path, until: str, reason: str, words: str) -> None:
    done = call("hold", "--reason", reason, "--until", until)
    assert done.exit_code == 2
    assert words in done.output
    assert not (place / "monitoring").exists()


def test_a_hold_of_an_environment_that_runs_nothing_is_refused(place: Path) -> None:
    done = CliRunner().invoke(monitor.app, ["hold", "--reason", "sale", "--until", UNTIL, "--environment", "prodution"])
    assert isinstance(done.exception, ReleaseError)
    assert not (place / "monitoring").exists()
