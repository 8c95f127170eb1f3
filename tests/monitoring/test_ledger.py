"""The store: an append-only log that survives crashes, and the state that it adds up to."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.entries import Claimed, Decided, Ended, Held, Lifted, Started, fold
from monitoring.ledger import Ledger, newest_decision, recall
from monitoring.records import Decision, Hold
from polymart.errors import MonitoringError

NOW = datetime(2024, 6, 1)
HOLD = Hold(by="Ada", reason="Christmas sale", until=NOW + timedelta(days=3))


def decided(digest="sha256:a", action="keep"):
    return Decided(inputs_digest=digest, decision=Decision(action=action, reasons=("because",), decided_at=NOW))


def claimed(run="retrain-1-a", digest="sha256:a", days=0):
    return Claimed(at=NOW, run=run, task="units", decided_at=NOW + timedelta(days=days), data_digest=digest)


def ended(run="retrain-1-a", *, succeeded=True):
    return Ended(at=NOW, run=run, succeeded=succeeded, state="SUCCEEDED" if succeeded else "FAILED")


def test_lines_are_read_back_in_order(tmp_path):
    ledger, lines = Ledger(tmp_path / "new"), [decided(), claimed(), ended(), Held(at=NOW, hold=HOLD)]
    for line in lines:
        ledger.append(line)
    assert ledger.entries() == lines
    assert newest_decision(lines) == decided().decision
    assert recall(lines, "sha256:a", NOW) == (0, decided().decision)
    assert recall(lines, "sha256:b", NOW) == (4, None)
    assert recall(lines, "sha256:a", NOW + timedelta(days=1)) == (4, None)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_line_torn_anywhere_counts_for_nothing_and_swallows_nothing(tmp_path_factory, data):
    ledger = Ledger(tmp_path_factory.mktemp("store"))
    ledger.append(decided("sha256:a"))
    whole = ledger.path.read_bytes()
    ledger.append(claimed())
    torn = ledger.path.read_bytes()
    ledger.path.write_bytes(torn[: data.draw(st.integers(len(whole), len(torn) - 1))])
    assert ledger.entries() == [decided("sha256:a")]
    ledger.append(decided("sha256:c", "watch"))
    assert ledger.entries() == [decided("sha256:a"), decided("sha256:c", "watch")]


@pytest.mark.parametrize("line", ["not json", '{"kind": "claimed"}', '{"kind": "perhaps"}', ""])
def test_a_damaged_line_is_not_taken_for_an_empty_one(tmp_path, line):
    ledger = Ledger(tmp_path)
    ledger.append(claimed())
    with open(ledger.path, "a") as handle:
        handle.write(line + "\n")
    with pytest.raises(MonitoringError, match=r"line 2 is not an entry"):
        ledger.state()


def test_a_claim_is_in_flight_until_its_own_end():
    about, taken = Started(at=NOW, run="retrain-1-a"), Started(at=NOW, run="retrain-1-a", run_id="7", url="u")
    state = fold([claimed(), about, taken, ended("another")])
    assert (state.in_flight.name, state.in_flight.run_id, state.in_flight.num_starts) == ("retrain-1-a", "7", 1)
    assert fold([claimed(), ended()]).in_flight is None


def test_the_same_data_are_retrained_on_once_but_again_after_a_failure():
    failed = fold([claimed(), ended(succeeded=False)])
    assert failed.retrained_digests == ()
    assert failed.started == (NOW,), "a failed run counts for cool-down and budget"
    again = fold([claimed(), ended(succeeded=False), claimed("retrain-2-a", days=8), ended("retrain-2-a")])
    assert again.retrained_digests == ("sha256:a",)
    assert again.started == (NOW, NOW + timedelta(days=8))


def test_a_hold_stands_until_it_is_lifted():
    assert fold([Held(at=NOW, hold=HOLD)]).hold == HOLD
    assert fold([Held(at=NOW, hold=HOLD), Lifted(at=NOW, by="Bo")]).hold is None


def test_an_empty_store_has_an_empty_state(tmp_path):
    assert Ledger(tmp_path / "none").state() == fold([])
    assert not (tmp_path / "none").exists(), "looking writes nothing"
