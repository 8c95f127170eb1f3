"""The report: what comes first, what is told of each task, and that it is one small, harmless file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from fixtures.drift_reports import (
    DAYS,
    START,
    broken_report,
    decision,
    drifted_report,
    made_report,
    task,
    window,
    write_reports,
)
from fixtures.run_pages import Parsed

from monitoring.report import render_html
from monitoring.report.explain import explain
from monitoring.report.first import first_screen
from monitoring.report.found import find_reports, newest_report
from monitoring.report.history import render_history
from monitoring.schema import ColumnDrift, Distribution, QualityFinding, Signal
from polymart.errors import MonitoringError

HOSTILE = "<script>alert('x')</script> & \"quoted\""


def test_the_first_screen_answers_what_since_when_whom_and_how_to_go_back() -> None:
    first = first_screen(drifted_report())
    assert (first.action, first.headline) == ("retrain", "Retrain")
    assert first.story.startswith("price and 3 more moved; price since 2026-06-15 in demand, estimated to cost 13%")
    price = first.causes[0]
    assert (price.name, price.since, price.tasks) == ("price", START + timedelta(days=3 * DAYS), ("demand",))
    assert [cause.name for cause in first.causes] == ["price", "title", "aisle", "score"]  # the effect comes last
    assert first.rollback_command == "polymart deploy rollback --environment local"
    assert [(state.name, state.status) for state in first.tasks] == [("demand", "drifted"), ("churn", "steady")]
    assert first.tasks[0].estimated
    assert not first.tasks[1].estimated


def test_the_page_tells_in_this_order() -> None:
    text = Parsed(render_html(drifted_report())).text
    order = [
        "Retrain price and 3 more moved", "How to roll back polymart deploy rollback --environment local",
        "What moved, since when price since 2026-06-15 costs about 13 %", "Which tasks it hurts demand real",
        "3 of 4 columns drifted", "roc_auc about 0.69, was 0.82 (16 % worse)", "What was decided, and why",
        "3 of the last 5 windows bad", "What to do", "demand binary data: real", "▲ 1.34",
        "Columns that moved", "up to 0.5", "Signals roc_auc is estimated at 0.69 (0.66 to 0.72)",
        "Decisions, runs and outcomes", "decided: retrain",
        "retraining ended: FAILED", "retrain-1: out of disk", "decided: watch",
    ]  # fmt: skip
    places = [text.index(line) for line in order]
    assert places == sorted(places)
    assert text.count("four of ten words were never seen in training") == 2  # as a cause, and as a signal


def test_a_cause_shared_by_tasks_is_one_line_with_its_earliest_date() -> None:
    one = task("demand", window(0), window(1, columns={"price": 0.5}))
    other = task("churn", *(window(i, columns={"price": 0.9}) for i in range(2)))
    first = first_screen(made_report(one, other))
    assert [(cause.name, cause.tasks, cause.since) for cause in first.causes] == [("price", ("demand", "churn"), START)]


def test_a_column_that_paused_moved_since_it_began_again() -> None:
    moved = [0.5, 0.5, 0.1, 0.5]
    report = made_report(task("demand", *(window(i, columns={"price": psi}) for i, psi in enumerate(moved))))
    assert first_screen(report).causes[0].since == START + timedelta(days=3 * DAYS)


def test_broken_data_come_before_everything() -> None:
    first = first_screen(broken_report())
    assert first.headline == "Watch: data broken"
    assert first.causes[0].broken
    text = Parsed(render_html(broken_report())).text
    assert text.index("Broken data: repair these first demand lag: all values missing") < text.index("What moved")


def test_a_broken_column_is_dated_by_its_first_broken_window() -> None:
    failed = QualityFinding(column="lag", rule="missing", failed=True, message="lag: all values missing")
    windows = (window(0, quality=(failed,)), window(1), window(2, quality=(failed,)), window(3, quality=(failed,)))
    cause = first_screen(made_report(task("demand", *windows))).causes[0]
    assert (cause.name, cause.broken, cause.since) == ("lag", True, START + timedelta(days=2 * DAYS))


def test_a_report_without_signals_labels_or_tasks_is_still_a_page() -> None:
    assert "Nothing moved in the newest windows of 1 tasks" in Parsed(render_html(made_report())).text
    empty = made_report().model_copy(update={"tasks": (), "newest_event": None})
    assert "No task has event time." in Parsed(render_html(empty)).text


def test_nothing_hostile_gets_out_of_its_place() -> None:
    shape = Distribution(buckets=(HOSTILE, "b"), reference=(0.9, 0.1), current=(0.1, 0.9))
    evil = window(0).model_copy(update={
        "columns": (ColumnDrift(name=HOSTILE, kind="categorical", psi=2.0, threshold=0.2, distribution=shape),
                    ColumnDrift(name="quiet", kind="numeric", note=HOSTILE)),
        "quality": (QualityFinding(column="x", rule="unseen", failed=False, message=HOSTILE),),
        "signals": (Signal(name=HOSTILE, kind="text", task="demand", value=2, threshold=1, note=HOSTILE),),
    })  # fmt: skip
    report = made_report(
        task("demand", evil, data_origin=HOSTILE, notes=(HOSTILE,)),
        suite=HOSTILE, notes=(HOSTILE,), decision=decision("watch", reason=HOSTILE),
    )  # fmt: skip
    page = Parsed(render_html(report))
    assert not page.all("script")
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert page.text.count("alert('x')") >= 10


def test_the_page_is_one_file_below_two_megabytes_however_much_there_is() -> None:
    columns = {f"a_column_with_a_name_{i}": 0.3 for i in range(100)}
    shape = Distribution(buckets=tuple(f"0{i}: up to {i}.123" for i in range(10)), reference=(0.1,) * 10,
                         current=(0.1,) * 10)  # fmt: skip
    signals = tuple(
        Signal(name=f"signal {i}", kind="mix", task="demand", value=i, threshold=150, note="a long note " * 5)
        for i in range(300)
    )
    wide = [window(i, columns=columns) for i in range(12)]
    drawn = tuple(one.model_copy(update={"distribution": shape}) for one in wide[-1].columns)
    wide[-1] = wide[-1].model_copy(update={"columns": drawn, "signals": signals})
    html = render_html(made_report(*(task(f"task_{i}", *wide) for i in range(20))))
    assert len(html.encode()) < 2_000_000
    assert "60 more columns, drifted less, are in report.json." in html
    for outside in ("http://", "https://", "<link", "@import", "url(", "<img"):
        assert outside not in html


def test_reports_are_found_oldest_first_and_what_is_none_is_said(tmp_path: Path) -> None:
    early = made_report(newest_event=START)
    write_reports(tmp_path, early, drifted_report())
    (tmp_path / "monitoring/local/torn").mkdir()
    (tmp_path / "monitoring/local/torn/report.json").write_text('{"version": 1}')
    found, skipped = find_reports(tmp_path)
    assert [one.report.newest_event for one in found] == [START, drifted_report().newest_event]
    assert len(skipped) == 1
    assert "found version 1" in skipped[0]
    assert newest_report(tmp_path).report == drifted_report()
    with pytest.raises(MonitoringError, match="of suite 'other', found those of shop"):
        newest_report(tmp_path, "other")


def test_the_history_marks_decisions_and_leads_to_reports(tmp_path: Path) -> None:
    late = drifted_report()
    tasks = tuple(one.model_copy(update={"windows": one.windows[:5]}) for one in late.tasks)
    early = late.model_copy(update={"tasks": tasks, "newest_event": START + timedelta(days=5 * DAYS), "log": ()})
    write_reports(tmp_path, early, late)
    page = Parsed(render_history(tmp_path))
    links = [attributes["href"].partition("#")[0] for attributes in page.all("a")]
    assert all((tmp_path / "monitoring" / link).is_file() for link in links)
    assert len(set(links)) == 2
    assert len(page.all("a")) == 1 + 2 * 6  # the newest report, then two tasks with six windows
    marks = [attributes for attributes in page.all("i") if attributes.get("title")]
    assert [mark["class"] for mark in marks] == ["keep", "watch", "retrain", "retrain"]


def test_a_history_without_reports_says_how_to_make_one(tmp_path: Path) -> None:
    assert "polymart monitor writes the first" in Parsed(render_history(tmp_path)).text


def test_explain_tells_a_task_and_a_column() -> None:
    report = drifted_report()
    of_task, of_column, still = (explain(report, name) for name in ("demand", "price", "lag"))
    assert of_task.verdict.startswith("demand: price moved most, since 2026-06-15, 6.7 times its threshold")
    assert of_task.runbook == "docs/runbook.md#polymartdrift"
    assert of_column.verdict.startswith("demand: price moved, since 2026-06-15")
    assert [name for name, _ in of_column.columns] == ["demand", "churn"]
    assert [signal.title for signal in of_column.signals] == ["mean of price"]
    assert still.verdict == "lag: nothing moved in the newest window."
    assert still.todo == "Nothing."


def test_explain_of_broken_data_asks_for_a_repair() -> None:
    broken = explain(broken_report(), "lag")
    assert "broken" in broken.verdict
    assert broken.runbook.endswith("#polymartdatabroken")
    assert broken.todo.startswith("Repair")


def test_an_unknown_name_is_answered_with_those_near_it() -> None:
    with pytest.raises(MonitoringError) as error:
        explain(drifted_report(), "prise")
    assert "price" in error.value.remedy
