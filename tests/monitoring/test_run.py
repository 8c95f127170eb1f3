"""The whole pass: decision, report, ledger, and the same bytes the second time."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
from synthetic_shop import in_last

from monitoring.ledger import LEDGER, claim_retraining
from monitoring.run import ReleaseGate, run_monitoring
from monitoring.schema import DriftReport
from polymart.files import digest_tree, read_json

COMMAND = "polymart submit training --suite suites/quick.yaml --arguments data_version={data_digest}"


@pytest.fixture
def go(shop, suite, tmp_path):
    def run(change=None, *, out="out", **options):
        return run_monitoring(
            *shop(change),
            suite,
            tmp_path / out,
            {"units": "synthetic"},
            COMMAND,
            tmp_path / "state" / "state.json",
            **options,
        )

    return run


def shift(table, days=28):
    rows = in_last(table, days)
    table.loc[rows, "price"] *= 2.5
    table.loc[rows, "aisle"] = "wine"


def test_nothing_moved_keeps(go, tmp_path):
    assert go().action == "keep"
    report = DriftReport.model_validate(read_json(tmp_path / "out" / "report.json"))
    assert report.decision.action == read_json(tmp_path / "out" / "decision.json")["action"] == "keep"
    assert report.tasks[0].data_origin == "synthetic"


def test_one_bad_window_watches_two_retrain(go):
    assert go(lambda table: shift(table, 14)).action == "watch"
    decision = go(shift)
    assert decision.action == "retrain"
    assert decision.task == "units"
    assert decision.command.endswith(f"data_version={decision.data_digest}")


def test_broken_data_do_not_retrain_however_much_drifted_before(go, tmp_path):
    def change(table):
        shift(table, 56)
        table["lag"] = table["lag"].astype("float64").mask(in_last(table, 14))

    decision = go(change)
    assert decision.action == "watch"
    assert "data broken, stop and alert: lag: all values missing" in decision.reasons[0]
    assert "data broken" in (tmp_path / "out" / "report.html").read_text()


def test_a_release_below_the_gate_is_rolled_back(go):
    gates = {"units": ReleaseGate(gate=0.1, previous_performance=0.05)}
    assert go(gates=gates).action == "rollback"
    assert go(gates={}).action == "rollback"  # the same inputs: the decision stands


def test_a_second_run_writes_the_same_bytes_and_no_second_line(go, tmp_path):
    first = go(shift, out="a")
    claim_retraining(tmp_path / "state" / "state.json", first.data_digest, first.decided_at)
    assert go(shift, out="b") == first
    assert digest_tree(tmp_path / "a") == digest_tree(tmp_path / "b")
    assert go(shift, out="a") == first
    assert digest_tree(tmp_path / "a") == digest_tree(tmp_path / "b")
    assert len((tmp_path / "state" / LEDGER).read_text().splitlines()) == 1


def test_new_data_during_a_retraining_wait(go, tmp_path):
    first = go(shift)
    claim_retraining(tmp_path / "state" / "state.json", first.data_digest, first.decided_at)
    decision = go(lambda table: shift(table, 42))
    assert decision.action == "watch"
    assert "a retraining is in flight" in decision.reasons[0]


def test_the_page_is_small_self_contained_and_escapes_everything(go, tmp_path):
    evil = '<img src=x onerror=alert(1)>"'

    def change(table):
        shift(table)
        table.loc[in_last(table, 14), "aisle"] = evil

    go(change)
    page = (tmp_path / "out" / "report.html").read_text()
    assert len(page.encode()) < 500_000
    assert "<img" not in page
    assert "‹img" in page
    for outside in ("http://", "https://", "<script", "<link", "@import", "url("):
        assert outside not in page
    for link in ("evidently/units.html", "evidently/units.json"):
        assert f'href="{link}"' in page
        assert (tmp_path / "out" / link).stat().st_size < 6e6


def test_hostile_names_and_origins_are_escaped(shop, suite, tmp_path):
    run_monitoring(*shop(), suite, tmp_path / "out", {"units": "<b>real</b>"}, "<script>alert(1)</script>")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<b>real</b>" not in page
    assert "<script" not in page


def test_text_tasks_alone_are_kept_and_said(shop, suite, tmp_path):
    examples, predictions = shop()
    (examples / "units.parquet").unlink()
    decision = run_monitoring(examples, predictions, suite, tmp_path / "out", {}, COMMAND)
    assert decision.action == "keep"
    assert "nothing was judged" in decision.reasons[0]


def test_evidently_is_imported_only_when_needed():
    code = "import sys, monitoring.run; sys.exit('evidently' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_windows_keep_their_bounds_as_rows_arrive(shop, suite, tmp_path):
    early = run_monitoring(
        *shop(lambda table: table[table["event_timestamp"] < "2024-05-20"]), suite, tmp_path / "a", {}, COMMAND
    )
    late = run_monitoring(*shop(), suite, tmp_path / "b", {}, COMMAND)
    starts = [
        [window["start"] for window in read_json(tmp_path / out / "report.json")["tasks"][0]["windows"]]
        for out in ("a", "b")
    ]
    assert starts[1][: len(starts[0])] == starts[0]
    assert early.window_start < late.window_start
    assert pd.Timestamp(starts[0][0]) == pd.Timestamp("2024-04-29")
