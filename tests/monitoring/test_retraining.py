"""Acting on a decision: one run, whatever crashes, races or fails on the way."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

import pytest
from retraining_world import DUE, NOW, Folder, race, retraining

from monitoring.entries import Claimed, Ended, Held, Started
from monitoring.records import Hold
from monitoring.retraining import MAX_STARTS
from polymart.config.monitoring import QuietHours
from polymart.errors import PolymartError


def runs(folder):
    return sorted((folder / "runs").glob("*"))


def end(folder, state):
    for file in runs(folder):
        file.write_text(state)


def test_a_due_retraining_is_claimed_started_and_followed_to_its_end(tmp_path):
    made = retraining(tmp_path)
    assert "retrain-1-aaaaaaaaaaaa is running" in made.pursue(DUE).line
    assert "is running" in made.pursue(DUE).line, "still the same run"
    end(tmp_path, "succeeded")
    assert made.pursue().line == "retraining retrain-1-aaaaaaaaaaaa ended: tiny-1 is released"
    kinds = [entry.kind for entry in made.ledger.entries()]
    assert kinds == ["claimed", "started", "started", "ended"]
    assert made.ledger.state().in_flight is None
    assert "already retrained on" in made.pursue(DUE).line
    assert len(runs(tmp_path)) == 1


def test_nothing_is_started_for_any_other_decision(tmp_path):
    for action in ("keep", "watch", "rollback"):
        assert not retraining(tmp_path).pursue(DUE.model_copy(update={"action": action})).failed
    assert not retraining(tmp_path).pursue().line
    assert runs(tmp_path) == []


def test_a_failed_run_ends_and_its_data_may_be_used_again_after_the_cool_down(tmp_path):
    made = retraining(tmp_path, cooldown_days=7)
    made.pursue(DUE)
    end(tmp_path, "failed")
    assert made.pursue().failed
    assert "cool-down" in made.pursue(DUE).line
    later = DUE.model_copy(update={"decided_at": NOW + timedelta(days=8)})
    assert "retrain-2-" in made.pursue(later).line


@pytest.mark.parametrize("lines", [1, 2])
def test_a_crash_between_the_steps_starts_no_second_run(tmp_path, lines):
    """Cut the log after the claim, or before the run's id was written: the run is found by its name."""
    made = retraining(tmp_path)
    made.pursue(DUE)
    kept = made.ledger.path.read_bytes().splitlines(keepends=True)[:lines]
    made.ledger.path.write_bytes(b"".join(kept))
    assert "is running" in retraining(tmp_path).pursue(DUE).line
    assert len(runs(tmp_path)) == 1
    assert made.ledger.state().in_flight.run_id == runs(tmp_path)[0].name


def test_a_claim_without_a_run_is_started_by_whoever_comes_next(tmp_path):
    made = retraining(tmp_path)
    made.ledger.append(Claimed(at=NOW, run="retrain-1-a", task="units", decided_at=NOW, data_digest="sha256:a"))
    assert "retrain-1-a is running" in made.pursue(DUE).line
    assert len(runs(tmp_path)) == 1


def test_an_orchestrator_that_cannot_be_asked_changes_nothing(tmp_path, monkeypatch):
    def unreachable(*_):
        raise PolymartError("no answer")

    made = retraining(tmp_path)
    made.pursue(DUE)
    before = made.ledger.entries()
    monkeypatch.setattr(Folder, "find", unreachable)
    with pytest.raises(PolymartError):
        made.pursue(DUE)
    assert made.ledger.entries() == before


def test_a_run_that_dies_with_every_process_is_given_up(tmp_path):
    made = retraining(tmp_path)
    made.ledger.append(Claimed(at=NOW, run="retrain-1-a", task="units", decided_at=NOW, data_digest="sha256:a"))
    for _ in range(MAX_STARTS):
        made.ledger.append(Started(at=NOW, run="retrain-1-a"))
    assert made.pursue().failed
    assert isinstance(made.ledger.entries()[-1], Ended)
    assert runs(tmp_path) == []


def test_of_controllers_racing_in_processes_one_starts_one_run(tmp_path):
    spawn = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(4, mp_context=spawn) as pool:
        told = list(pool.map(race, [str(tmp_path)] * 8, [0.05] * 8))
    assert len(runs(tmp_path)) == 1
    assert sum(entry.kind == "claimed" for entry in retraining(tmp_path).ledger.entries()) == 1
    assert all("is running" in one.line or "another process" in one.line for one in told)


def test_whoever_holds_it_after_the_decision_is_obeyed(tmp_path):
    made = retraining(tmp_path)
    hold = Hold(by="Ada", reason="sale", until=NOW + timedelta(hours=1))
    made.ledger.append(Held(at=NOW, hold=hold))
    assert "held by Ada" in made.pursue(DUE).line
    assert runs(tmp_path) == []


def test_quiet_hours_that_began_after_the_decision_are_obeyed(tmp_path):
    made = retraining(tmp_path, quiet_hours=QuietHours(start="22:00", end="06:00"))
    assert "quiet hours" in made.pursue(DUE).line
    assert runs(tmp_path) == []
