"""The whole pass: decision, report, ledger, and the same bytes the second time."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
from synthetic_shop import in_last

from monitoring.entries import Claimed, Ended, Held, Lifted
from monitoring.ledger import Ledger
from monitoring.records import Hold
from monitoring.run import run_monitoring
from monitoring.schema import DriftReport
from polymart.files import digest_tree, read_json

COMMAND = "polymart submit training --suite suites/quick.yaml --arguments data_version={data_digest}"


@pytest.fixture
def suite(suite):
    """By chance the shop's first test window is 27 % worse than its validation rows; not tested here."""
    policy = suite.monitoring.model_copy(update={"max_performance_loss": 0.5})
    return suite.model_copy(update={"monitoring": policy})


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "store")


@pytest.fixture
def go(shop, suite, tmp_path, ledger):
    def run(change=None, *, out="out", **options):
        told = {"ledger": ledger} | options
        return run_monitoring(*shop(change), suite, tmp_path / out, {"units": "synthetic"}, COMMAND, **told)

    return run


def claim(ledger, decision):
    at, digest = decision.decided_at, decision.data_digest
    ledger.append(Claimed(at=at, run="retrain-1-a", task="units", decided_at=at, data_digest=digest))


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


def worsen(folder):
    """The released model's predictions of the newest window are far off."""
    file = folder / "predictions" / "units.parquet"
    table = pd.read_parquet(file)
    table.loc[in_last(table, 14), ["prediction", "score"]] += 5
    table.to_parquet(file, coerce_timestamps="us")


def test_a_release_below_the_gate_is_rolled_back_if_the_previous_one_passes(shop, suite, tmp_path):
    tables = shop()
    worsen(tmp_path)
    asked = []

    def previous(found):
        def performance(task, window):
            asked.append((task.name, window.start))
            return found

        return performance

    def action(found):
        return run_monitoring(*tables, suite, tmp_path / "out", {}, COMMAND, previous=previous(found))

    assert action(0.8).action == "rollback"
    assert asked == [("units", pd.Timestamp("2024-06-10"))], "only the newest labelled window is scored again"
    assert action(3.0).action == "watch"
    unknown = action("its checkpoint is gone")
    assert unknown.action == "watch"
    assert "misses the gate" in unknown.reasons[0]
    assert "its checkpoint is gone" in unknown.reasons[0]


def test_the_previous_release_is_not_asked_while_the_gate_holds(go):
    assert go(previous=lambda task, window: pytest.fail("asked")).action == "keep"


def test_a_second_run_writes_the_same_bytes_and_no_second_line(go, ledger, tmp_path):
    first = go(shift, out="a")
    claim(ledger, first)
    assert go(shift, out="b") == first
    assert digest_tree(tmp_path / "a") == digest_tree(tmp_path / "b")
    assert go(shift, out="a") == first
    assert digest_tree(tmp_path / "a") == digest_tree(tmp_path / "b")
    assert [entry.kind for entry in ledger.entries()] == ["decided", "claimed"]


def test_new_data_during_a_retraining_wait_until_it_ends(go, ledger):
    claim(ledger, go(shift))
    longer = go(lambda table: shift(table, 42))
    assert (longer.action, longer.blocked_by) == ("watch", ("cool_down", "in_flight"))
    ledger.append(Ended(at=longer.decided_at, run="retrain-1-a", succeeded=True, state="SUCCEEDED"))
    assert go(lambda table: shift(table, 42)).blocked_by == ("cool_down",), "asked again on the same data"


def test_a_hold_ends_and_the_same_data_are_retrained_on(go, ledger, tmp_path):
    clock = pd.Timestamp("2024-07-01").to_pydatetime()
    hold = Hold(by="Ada", reason="Christmas sale", until=pd.Timestamp("2024-07-02").to_pydatetime())
    ledger.append(Held(at=clock, hold=hold))
    held = go(shift, clock=clock)
    assert (held.action, held.blocked_by) == ("watch", ("hold",))
    assert "held by Ada until 2024-07-02 00:00 UTC: Christmas sale" in held.reasons[0]
    assert go(shift, clock=clock) == held
    assert len(ledger.entries()) == 2, "the same answer is not written twice"
    ledger.append(Lifted(at=clock, by="Bo"))
    assert go(shift, clock=clock).action == "retrain"
    kinds = [entry["kind"] for entry in read_json(tmp_path / "out" / "report.json")["log"]]
    assert kinds == ["held", "decided", "lifted"]


def until(end):
    return lambda table: table[table["event_timestamp"] < end]


def test_missed_windows_are_caught_up_in_order_as_if_each_had_been_watched(shop, suite, ledger, tmp_path):
    def watch(end, store, out):
        return run_monitoring(*shop(until(end)), suite, tmp_path / out, {}, COMMAND, ledger=store)

    watch("2024-05-10", ledger, "late")
    watch("2024-06-24", ledger, "late")
    ends = [entry.decision.window_end for entry in ledger.entries()]
    assert [f"{end:%m-%d}" for end in ends] == ["05-13", "05-13", "05-27", "06-10", "06-24"]
    assert [entry.decision.decided_at for entry in ledger.entries()][1:4] == ends[1:4]
    folders = sorted(folder.name for folder in (tmp_path / "late" / "windows").iterdir())
    assert folders == ["2024-05-13", "2024-05-27", "2024-06-10"]
    caught_up = DriftReport.model_validate(read_json(tmp_path / "late" / "windows" / "2024-05-27" / "report.json"))
    assert [f"{window.end:%m-%d}" for window in caught_up.tasks[0].windows] == ["05-13", "05-27"]
    before = len(ledger.entries())
    watch("2024-06-24", ledger, "late")
    assert len(ledger.entries()) == before


def test_the_first_pass_of_a_store_catches_up_nothing(go, tmp_path):
    go()
    assert not (tmp_path / "out" / "windows").exists()


def test_the_page_is_small_self_contained_and_escapes_everything(go, tmp_path):
    evil = '<img src=x onerror=alert(1)>"'

    def change(table):
        shift(table)
        table.loc[in_last(table, 14), "aisle"] = evil

    go(change)
    page = (tmp_path / "out" / "report.html").read_text()
    assert len(page.encode()) < 500_000
    assert "<img" not in page
    assert "&lt;img" in page
    for outside in ("http://", "https://", "<script", "<link", "@import", "url("):
        assert outside not in page
    assert 'href="evidently/units.html"' in page
    assert (tmp_path / "out" / "evidently" / "units.html").stat().st_size < 6e6


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
