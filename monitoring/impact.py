"""What most probably caused a window's trouble, ranked by estimated impact on the task.

Everything that a window names is grouped by column: the drift of a column and its signals (creep, frozen values,
missing or unseen ones) are one cause; a cause of the whole rows (customers, labels, volume) goes by its kind. Then:

1. what broke comes before what moved;
2. news come before what stood near its threshold in each of the last `STANDING` windows, too: a count of all baskets
   ever grows by nature, and what has moved for a month, or crosses its threshold at last by no more than it moves every
   week, did not cause this week's trouble. A leap past all of them is news again;
3. causes come before their effects: a score or a performance moves because something else did;
4. impact is strength x (`FLOOR` + dependence): how far the column moved in units of its threshold, times the share of
   the scores' variance that goes with it in the reference. A text, an image, a label or the mix of customers concerns
   the whole row and counts as dependence 1; so does a column whose dependence is not known.

The estimate needs no model and no labels. Where a signal knows what it costs (``hurts``), that is shown beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monitoring.records import Record
from monitoring.schema import ColumnDrift, Signal, WindowReport

FLOOR = 0.1
"""Dependence that every column is granted: what goes with the scores today says little of what would tomorrow."""
WHOLE_ROW = 1.0
STANDING = 4
"""Windows before in which a cause stood near its threshold, from which it is no news."""
NEAR = 0.75
"""Share of its threshold from which a cause stands near it (hysteresis: crossing it by a little more is no news)."""
LEAP = 2.0
"""Times its largest strength of those windows from which a standing cause is news all the same."""
EFFECTS = frozenset({"prediction", "estimate", "performance", "score"})
"""Kinds that tell of harm, not of its cause."""


class Cause(Record):
    """One thing that broke or moved in a window."""

    column: str
    """The column; empty where no single one is meant."""
    kinds: tuple[str, ...]
    """Kinds of what told of it, strongest first; ``quality`` for a failed check."""
    names: tuple[str, ...]
    """Titles of what told of it, in the same order."""
    broken: bool = False
    standing: bool = False
    """Whether it is no news: it stood near its threshold in each of the last `STANDING` windows."""
    strength: float
    """Largest distance in units of its threshold; 0 for a failed check that has none."""
    impact: float
    """Estimated impact on the task, 0 or more; only the order and ratios mean anything."""
    hurts: float | None = None
    """Estimated relative loss of the task's metric; None where no signal can tell."""


_Key = tuple[str, bool]
"""What a cause is about, and whether it only tells of harm."""


class _Trace(Record):
    """One finding of a window."""

    column: str
    kind: str
    name: str
    strength: float
    dependence: float
    hurts: float | None = None


def rank_causes(window: WindowReport, before: Sequence[WindowReport] = ()) -> tuple[Cause, ...]:
    """Everything that broke or moved in a window, the most probable cause first.

    Args:
        window: the window.
        before: the windows before it, oldest first; without `STANDING` of them everything is news.
    """
    past = [_strengths(one) for one in before[-STANDING:]]
    groups: dict[_Key, list[_Trace]] = {}
    for trace in _traces(window):
        groups.setdefault(_key(trace), []).append(trace)
    causes = [_cause(traces, [one.get(key, 0.0) for one in past]) for key, traces in groups.items()]
    return tuple(sorted(causes, key=_order))


def _key(trace: _Trace) -> _Key:
    return trace.column or trace.kind, trace.kind in EFFECTS


def _strengths(window: WindowReport) -> dict[_Key, float]:
    """How strongly a window spoke of everything, whether or not that crossed its threshold."""
    strengths: dict[_Key, float] = {}
    for trace in _traces(window, crossed=False):
        # A failed check has no distance, but it was said.
        strength = max(trace.strength, 1.0) if trace.kind == "quality" else trace.strength
        strengths[_key(trace)] = max(strength, strengths.get(_key(trace), 0.0))
    return strengths


def _stands(strength: float, past: Sequence[float]) -> bool:
    """Whether a cause stood near its threshold before, and has not leapt since."""
    return len(past) == STANDING and min(past) >= NEAR and strength <= LEAP * max(past)


def _order(cause: Cause) -> tuple[bool, bool, bool, float, str]:
    effect = cause.kinds[0] in EFFECTS
    return not cause.broken, cause.standing, effect, -cause.impact, cause.column or cause.names[0]


def _cause(traces: Iterable[_Trace], past: Sequence[float]) -> Cause:
    ranked = sorted(traces, key=lambda trace: (trace.kind != "quality", -trace.strength, trace.name))
    strength = max(trace.strength for trace in ranked)
    return Cause(
        column=ranked[0].column,
        kinds=tuple(trace.kind for trace in ranked),
        names=tuple(trace.name for trace in ranked),
        broken=ranked[0].kind == "quality",
        standing=_stands(strength, past),
        strength=strength,
        impact=strength * (FLOOR + max(trace.dependence for trace in ranked)),
        hurts=max((trace.hurts for trace in ranked if trace.hurts is not None), default=None),
    )


def _traces(window: WindowReport, *, crossed: bool = True) -> Iterable[_Trace]:
    """Findings of a window.

    Args:
        window: the window.
        crossed: only those that crossed their thresholds; otherwise all that was measured.
    """
    known = {column.name: column.dependence for column in window.columns}
    text = next((signal.column for signal in window.signals if signal.kind == "text"), "")
    for finding in window.quality:
        if finding.failed:
            yield _Trace(column=finding.column, kind="quality", name=finding.message, strength=0.0, dependence=0.0)
    for column in window.drifted if crossed else window.columns:
        yield _of_column(column, text)
    for signal in window.moved_signals if crossed else window.signals:
        yield _of_signal(signal, known.get(signal.column))


def _of_column(column: ColumnDrift, text: str) -> _Trace:
    """What was measured of a text (its length, its unseen words) is a trace of that text."""
    dependence = column.dependence if column.kind != "text" and column.dependence is not None else WHOLE_ROW
    name = text if column.kind == "text" and text else column.name
    return _Trace(column=name, kind=column.kind, name=column.name, strength=column.strength, dependence=dependence)


def _of_signal(signal: Signal, dependence: float | None) -> _Trace:
    return _Trace(
        column=signal.column,
        kind=signal.kind,
        name=signal.title,
        strength=signal.strength,
        dependence=WHOLE_ROW if dependence is None else dependence,
        hurts=signal.hurts,
    )
