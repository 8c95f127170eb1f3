"""The state folder: no duplicate decision, no second retraining on the same data."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from monitoring.ledger import LEDGER, claim_retraining, finish_retraining, load_state, recall, record
from monitoring.records import Decision
from polymart.errors import MonitoringError

NOW = datetime(2024, 6, 1)


def decision(action="keep"):
    return Decision(action=action, reasons=("because",), decided_at=NOW)


def test_one_line_per_inputs_and_window(tmp_path):
    state = tmp_path / "state.json"
    for digest in ("sha256:a", "sha256:a", "sha256:b"):
        record(state, digest, decision())
    assert len((tmp_path / LEDGER).read_text().splitlines()) == 2
    assert recall(state, "sha256:a") == decision()
    assert recall(state, "sha256:c") is None


def test_a_torn_line_is_passed_over_and_does_not_swallow_the_next(tmp_path):
    state = tmp_path / "state.json"
    record(state, "sha256:a", decision())
    with open(tmp_path / LEDGER, "a") as handle:
        handle.write('{"inputs_digest": "sha256:b", "deci')
    record(state, "sha256:c", decision("watch"))
    assert recall(state, "sha256:a") == decision()
    assert recall(state, "sha256:b") is None
    assert recall(state, "sha256:c") == decision("watch")


def test_of_many_claims_at_once_one_is_granted(tmp_path):
    state = tmp_path / "state.json"
    with ThreadPoolExecutor(8) as pool:
        granted = list(pool.map(lambda i: claim_retraining(state, f"sha256:{i % 2}", NOW), range(16)))
    assert sum(granted) == 1
    assert load_state(state).in_flight


def test_the_same_data_are_retrained_on_once_but_again_after_a_failure(tmp_path):
    state = tmp_path / "state.json"
    assert claim_retraining(state, "sha256:a", NOW)
    finish_retraining(state, succeeded=False)
    assert claim_retraining(state, "sha256:a", NOW)
    finish_retraining(state, succeeded=True)
    assert not claim_retraining(state, "sha256:a", NOW)
    assert load_state(state).last_retrain_at == NOW


def test_an_unreadable_state_is_not_taken_for_an_empty_one(tmp_path):
    state = tmp_path / "state.json"
    state.write_text('{"in_flight": "perhaps"}')
    with pytest.raises(MonitoringError, match="not a retraining state"):
        load_state(state)
