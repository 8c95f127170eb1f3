"""The order of causes: what broke, then news, then what stood before; causes before their effects."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from monitoring.impact import STANDING, rank_causes
from monitoring.schema import ColumnDrift, QualityFinding, Signal, WindowReport

START = datetime(2024, 1, 1)


def window(number: int, moved: dict[str, float], broken: str = "", worse: bool = False) -> WindowReport:
    """A window whose columns drifted by so many times their threshold."""
    columns = [ColumnDrift(name=name, kind="numeric", psi=0.2 * far, threshold=0.2) for name, far in moved.items()]
    finding = QualityFinding(column=broken, rule="range", failed=True, message=f"{broken}: unit changed?")
    signal = Signal(name="roc_auc", kind="performance", task="t", value=9.0, threshold=1.0)
    start = START + number * timedelta(days=7)
    return WindowReport(
        start=start,
        end=start + timedelta(days=7),
        rows=100,
        columns=tuple(columns),
        quality=(finding,) if broken else (),
        signals=(signal,) if worse else (),
    )


def named(windows: list[WindowReport]) -> list[str]:
    return [cause.column or cause.kinds[0] for cause in rank_causes(windows[-1], windows[:-1])]


def test_what_has_moved_for_long_comes_after_weaker_news_and_their_effects():
    usual = [window(n, {"ever": 10.0}) for n in range(STANDING)]
    assert named([*usual, window(STANDING, {"ever": 11.0, "price": 1.5}, worse=True)]) == [
        "price",
        "performance",
        "ever",
    ]
    assert named([*usual[1:], window(STANDING, {"ever": 11.0, "price": 1.5})]) == ["ever", "price"]


def test_what_broke_comes_first_though_it_has_been_broken_for_long():
    usual = [window(n, {}, broken="amount") for n in range(STANDING)]
    assert named([*usual, window(STANDING, {"price": 5.0}, broken="amount")]) == ["amount", "price"]


@pytest.mark.parametrize(
    ("before", "now", "first"),
    [
        ((0.8, 0.9, 0.8, 0.9), 1.1, "price"),  # it crossed its threshold by no more than it moves every week
        ((0.8, 0.5, 0.8, 0.9), 1.1, "ever"),  # a week ago it stood far below
        ((1.1, 1.2, 1.1, 1.2), 2.5, "ever"),  # it leapt past all it did before
        ((0.8, 0.9, 0.8), 1.1, "ever"),  # nobody knows yet what it does every week
    ],
)
def test_what_stood_near_its_threshold_is_no_news_unless_it_leaps(before, now, first):
    calm = [window(n, {"ever": far, "price": 0.1}) for n, far in enumerate(before)]
    last = window(len(before), {"ever": now, "price": 1.05})
    assert named([*calm, last])[0] == first
    # Far stronger news of something else never come after it.
    assert named([*calm, window(len(before), {"ever": now, "price": 20.0})])[0] == "price"
