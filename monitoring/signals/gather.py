"""All signals of one task, window by window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitoring.schema import Signal, TaskReport
from monitoring.signals.prediction import watch_predictions
from monitoring.signals.rows import Found, Rows, Span, slices_of
from monitoring.signals.tables import Sources, task_rows
from monitoring.signals.text import watch_text
from polymart.config import Suite, Task


def add_signals(
    report: TaskReport, task: Task, examples: Path, predictions: Path, suite: Suite, sources: Sources | None = None
) -> TaskReport:
    """A task's report with the signals of each of its windows; see `gather_signals`."""
    spans = [Span(window.start, window.end) for window in report.windows]
    signals = gather_signals(task, examples, predictions, suite, spans, sources)
    windows = [
        window.model_copy(update={"signals": found}) for window, found in zip(report.windows, signals, strict=True)
    ]
    return report.model_copy(update={"windows": tuple(windows)})


def gather_signals(
    task: Task, examples: Path, predictions: Path, suite: Suite, spans: list[Span], sources: Sources | None = None
) -> list[tuple[Signal, ...]]:
    """The signals of each window.

    Args:
        task: the task.
        examples: folder of ``<task>.parquet`` example tables.
        predictions: folder of prediction tables.
        suite: monitoring policy and seed.
        spans: event times of the windows, oldest first.
        sources: what else there is to watch; signals whose source is absent are absent.

    Raises:
        MonitoringError: a table breaks its written contract.
    """
    shown, predicted = task_rows(task, examples, predictions, suite, spans)
    found: list[list[Signal]] = [[] for _ in spans]
    for number, signal in _watch(task, shown, predicted, sources or Sources()):
        found[number].append(signal)
    return since_when([tuple(signals) for signals in found], spans)


def _watch(task: Task, examples: Rows, predictions: Rows, sources: Sources) -> Iterator[Found]:
    yield from watch_text(task, examples)
    if len(predictions.reference):
        yield from watch_predictions(task, predictions)
        for group, rows in slices_of(task, predictions):
            yield from watch_predictions(task, rows, group)


def since_when(windows: list[tuple[Signal, ...]], spans: list[Span]) -> list[tuple[Signal, ...]]:
    """The signals with the start of the unbroken run of windows in which each has moved."""
    runs: dict[str, Span] = {}
    dated = []
    for signals, span in zip(windows, spans, strict=True):
        runs = {signal.title: runs.get(signal.title, span) for signal in signals if signal.moved}
        dated.append(
            tuple(
                signal.model_copy(update={"since": runs[signal.title].start}) if signal.moved else signal
                for signal in signals
            )
        )
    return dated
