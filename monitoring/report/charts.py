"""Where the marks of the drift pages lie: heat of a cell, points of a line, lengths of bars."""

from __future__ import annotations

from typing import NamedTuple

from monitoring.schema import ColumnDrift, Distribution, TaskReport

WIDTH, HEIGHT, EDGE = 150, 34, 4
"""Of a line of performance, in SVG units."""
MAX_BARS = 10
_STEPS = (0.25, 0.5, 1, 3)


def heat(column: ColumnDrift | None) -> str:
    """CSS class of a cell: ``n`` not judged, ``h0`` (still) to ``h3`` (drifted), ``h4`` (three times the bound)."""
    if column is None or column.psi is None:
        return "n"
    return f"h{sum(column.strength >= step for step in _STEPS)}"


def cells(task: TaskReport) -> list[tuple[str, list[ColumnDrift | None]]]:
    """Rows of the heat map, those that drifted in the newest window first."""
    names = dict.fromkeys(column.name for window in task.windows for column in window.columns)
    moved = sorted(task.newest.drifted, key=lambda column: (-column.strength, column.name))
    ordered = dict.fromkeys([*(column.name for column in moved), *names])
    by_window = [{column.name: column for column in window.columns} for window in task.windows]
    return [(name, [columns.get(name) for columns in by_window]) for name in ordered]


class Bar(NamedTuple):
    """One bucket: its name, both shares (0 to 1), and both lengths in percent of the longest."""

    name: str
    reference: float
    current: float
    reference_length: float
    current_length: float


def bars(distribution: Distribution) -> list[Bar]:
    """The buckets that tell most: all of a number's, and of categories those that changed most."""
    rows = list(zip(distribution.buckets, distribution.reference, distribution.current, strict=True))
    if len(rows) > MAX_BARS + 1:  # deciles make eleven at most
        kept = {name for name, *_ in sorted(rows, key=lambda row: -abs(row[1] - row[2]))[:MAX_BARS]}
        rows = [row for row in rows if row[0] in kept]
    longest = max((share for _, *shares in rows for share in shares), default=0.0) or 1.0
    return [Bar(_label(name), one, two, 100 * one / longest, 100 * two / longest) for name, one, two in rows]


def _label(bucket: str) -> str:
    """A bucket of a number without the prefix that keeps buckets in order."""
    prefix, colon, rest = bucket.partition(": ")
    return rest if colon and prefix.isdigit() else bucket


class Line(NamedTuple):
    """A task's performance over its windows: points with labels, and the reference's height."""

    points: list[tuple[float, float]]
    reference: float | None
    estimated: list[tuple[float, float]]

    @property
    def path(self) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


def line(task: TaskReport) -> Line | None:
    """Labelled performance, or the estimate where no label arrived, window by window; None with fewer than two."""
    known = [(place, window.performance or window.estimate, window.performance is None)
             for place, window in enumerate(task.windows)]  # fmt: skip
    told = [(place, found, guessed) for place, found, guessed in known if found is not None]
    if len(told) < 2:
        return None
    reference = told[-1][1].reference
    values = [found.value for _, found, _ in told] + ([reference] if reference is not None else [])
    low, span = min(values), (max(values) - min(values)) or 1.0

    def height(value: float) -> float:
        return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (value - low) / span

    def across(place: int) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * place / max(1, len(task.windows) - 1)

    points = [(across(place), height(found.value)) for place, found, _ in told]
    guesses = [point for point, (_, _, guessed) in zip(points, told, strict=True) if guessed]
    return Line(points, None if reference is None else height(reference), guesses)
