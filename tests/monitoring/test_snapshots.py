"""Evidently's snapshot of a window carries the report's numbers, in its page, its JSON, its tests and its workspace."""

from __future__ import annotations

import json
from datetime import datetime

from monitoring.schema import ColumnDrift, Distribution, WindowReport
from monitoring.snapshot import save_snapshot, window_snapshot

PRICE = ColumnDrift(
    name="price", kind="numeric", psi=0.5, threshold=0.2, ks=0.1, ks_threshold=0.2,
    distribution=Distribution(buckets=("up to 1", "above 1"), reference=(0.5, 0.5), current=(0.9, 0.1)),
)  # fmt: skip
AISLE = ColumnDrift(name="<b>aisle", kind="categorical", psi=0.0, threshold=0.2)
SILENT = ColumnDrift(name="silent", kind="numeric", note="too few")
WINDOW = WindowReport(
    start=datetime(2024, 1, 1), end=datetime(2024, 1, 15), rows=100, columns=(PRICE, AISLE, SILENT)
)  # fmt: skip


def test_the_snapshot_holds_the_windows_numbers_and_tests(tmp_path):
    snapshot = window_snapshot(WINDOW)
    written = json.loads(snapshot.json())
    values = {m["metric_name"].split("(")[0] + str(m["config"].get("method")): m["value"] for m in written["metrics"]}
    assert values["DriftedShareNone"] == 0.5
    assert sorted(m["value"] for m in written["metrics"]) == [0.0, 0.1, 0.5, 0.5]
    assert sorted(test["status"] for test in written["tests"]) == ["FAIL", "SUCCESS", "SUCCESS"]
    save_snapshot(snapshot, tmp_path / "page.html", tmp_path / "page.json")
    page = (tmp_path / "page.html").read_text()
    assert "PSI of price: 0.500 (moved from 0.200)" in page
    assert "up to 1" in page
    assert "<b>aisle" not in page


def test_the_page_is_the_same_every_time(tmp_path):
    for name in ("a", "b"):
        save_snapshot(window_snapshot(WINDOW), tmp_path / f"{name}.html", tmp_path / f"{name}.json")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_evidentlys_workspace_takes_it_and_gives_it_back(tmp_path):
    from evidently.ui.workspace import Workspace

    project = Workspace.create(str(tmp_path)).create_project("units")
    Workspace(str(tmp_path)).add_run(project.id, window_snapshot(WINDOW))
    again = Workspace(str(tmp_path))
    (run,) = again.list_runs(project.id)
    results = again.get_run(project.id, run).metric_results.values()
    assert sorted(result.value for result in results) == [0.0, 0.1, 0.5, 0.5]
