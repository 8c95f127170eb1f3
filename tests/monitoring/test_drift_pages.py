"""The report and the history in a real browser: at a desk, on a phone, in the dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.drift_reports import broken_report, drifted_report, made_report, write_reports
from fixtures.headless import CHROMIUM, Tab, tab

from monitoring.report import render_html
from monitoring.report.history import write_history

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
WIDTHS = (390, 1240)
BOTTOM = "document.querySelector({0!r}).getBoundingClientRect().bottom"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with tab(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    work = tmp_path_factory.mktemp("work")
    write_reports(work, drifted_report())
    for name, report in (("broken", broken_report()), ("keep", made_report())):
        (work / f"{name}.html").write_text(render_html(report))
    drifted = work / "monitoring/local/shop-1a2b/report.html"
    places = {"drifted": drifted, "history": write_history(work)}
    places |= {name: work / f"{name}.html" for name in ("broken", "keep")}
    return {name: Path(place).as_uri() for name, place in places.items()}


@pytest.mark.parametrize("name", ["drifted", "broken", "keep", "history"])
def test_no_page_is_wider_than_its_screen(name: str, browser: Tab, pages: dict[str, str]) -> None:
    for width in WIDTHS:
        browser.open(pages[name], width)
        assert browser.run("document.documentElement.scrollWidth") <= width, (name, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_answers_stand_on_the_first_screen(width: int, browser: Tab, pages: dict[str, str]) -> None:
    browser.open(pages["drifted"], width)
    assert browser.run(BOTTOM.format(".story")) < 300
    assert browser.run(BOTTOM.format(".go")) < 300  # the command that rolls back
    assert browser.run(BOTTOM.format(".card ol li")) < 900  # the first cause
    if width > 700:
        assert browser.run(BOTTOM.format(".cards")) < 900


def test_a_click_takes_the_whole_rollback_command(browser: Tab, pages: dict[str, str]) -> None:
    browser.open(pages["drifted"], 390)
    browser.run("getSelection().selectAllChildren(document.querySelector('.go'))")
    assert browser.run("getSelection().toString()") == "polymart deploy rollback --environment local"
    assert browser.run("getComputedStyle(document.querySelector('.go')).userSelect") == "all"


@pytest.mark.parametrize(
    ("name", "newest"), [("drifted", ".heat tbody td:last-child"), ("history", ".lane a:last-child")]
)
def test_a_phone_shows_the_newest_window_and_the_names(
    name: str, newest: str, browser: Tab, pages: dict[str, str]
) -> None:
    browser.open(pages[name], 390)
    label = ".heat tbody th" if name == "drifted" else ".axis b"
    left = browser.run(f"document.querySelector({label!r}).getBoundingClientRect().left")
    assert browser.run(f"document.querySelector({newest!r}).getBoundingClientRect().right") <= 391
    assert 0 <= left < 40


def test_a_task_leads_to_its_section(browser: Tab, pages: dict[str, str]) -> None:
    browser.open(pages["drifted"], 1240)
    browser.run("document.querySelector('.tasks a').click()")
    assert browser.run("document.getElementById('demand').getBoundingClientRect().top") < 100


def test_dark_screens_get_light_text(browser: Tab, pages: dict[str, str]) -> None:
    seen = []
    for scheme in ("light", "dark"):
        browser.open(pages["drifted"], 1240, scheme)
        seen.append(browser.run("getComputedStyle(document.body).backgroundColor"))
    assert seen[0] == "rgb(255, 255, 255)"
    assert seen[1] != seen[0]


def test_nothing_is_loaded_and_no_script_runs(browser: Tab, pages: dict[str, str]) -> None:
    for url in pages.values():
        browser.open(url, 1240)
        assert browser.run("performance.getEntriesByType('resource').length") == 0
        assert browser.run("document.scripts.length") == 0
