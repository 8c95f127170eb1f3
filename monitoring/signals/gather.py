"""All signals of one task, window by window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitoring.schema import Signal, TaskReport
from monitoring.signals.categories import watch_categories
from monitoring.signals.contradiction import watch_contradiction
from monitoring.signals.creep import watch_creep
from monitoring.signals.estimate import estimate_windows, mean_error, watch_estimate
from monitoring.signals.frozen import watch_frozen
from monitoring.signals.image import watch_images
from monitoring.signals.logged import watch_log
from monitoring.signals.mix import watch_mix
from monitoring.signals.performance import measured, watch_performance
from monitoring.signals.prediction import watch_predictions
from monitoring.signals.rows import Found, Rows, slices_of
from monitoring.signals.sources import Sources
from monitoring.signals.tables import TaskRows, task_rows
from monitoring.signals.text import watch_text
from monitoring.signals.vectors import watch_vectors
from monitoring.signals.volume import watch_volume
from monitoring.window import Window
from polymart.config import Suite, Task


def add_signals(
    report: TaskReport, task: Task, examples: Path, predictions: Path, suite: Suite, sources: Sources | None = None
) -> TaskReport:
    """A task's report with the signals, the performance and its estimate of each of its windows.

    Args:
        report: with its windows.
        task: the task.
        examples: folder of ``<task>.parquet`` example tables.
        predictions: folder of prediction tables.
        suite: monitoring policy and seed.
        sources: what else there is to watch.

    Raises:
        MonitoringError: a table breaks its written contract.
    """
    spans = [Window(window.start, window.end) for window in report.windows]
    rows = task_rows(task, examples, predictions, suite, spans)
    signals = gather_signals(task, rows, suite, spans, sources or Sources())
    estimates = estimate_windows(task, rows.predictions)
    performances = [
        measured(task.kind, window.performance, rows.predictions.reference, part)
        for window, part in zip(report.windows, rows.predictions.windows, strict=True)
    ]
    windows = tuple(
        window.model_copy(update={"signals": found, "estimate": estimate, "performance": performance})
        for window, found, estimate, performance in zip(report.windows, signals, estimates, performances, strict=True)
    )
    return report.model_copy(update={"windows": windows, "estimate_error": mean_error(estimates)})


def gather_signals(
    task: Task, rows: TaskRows, suite: Suite, spans: list[Window], sources: Sources
) -> list[tuple[Signal, ...]]:
    """The signals of each window; those whose source or column is absent are absent."""
    found: list[list[Signal]] = [[] for _ in spans]
    for number, signal in _watch(task, rows, suite, spans, sources):
        found[number].append(signal)
    return since_when([tuple(signals) for signals in found], spans)


def _watch(task: Task, rows: TaskRows, suite: Suite, spans: list[Window], sources: Sources) -> Iterator[Found]:
    yield from watch_volume(task.name, rows.moments, spans, rows.newest)
    for watch in (watch_text, watch_images, watch_categories, watch_frozen, watch_creep, watch_mix):
        yield from watch(task, rows.examples)
    if sources.vectors is not None:
        yield from watch_vectors(task, rows.examples, sources.vectors, suite.seed)
    if len(rows.predictions.reference):
        yield from _watch_predicted(task, rows.predictions)
    if sources.log is not None:
        yield from watch_log(task, rows, suite, spans, sources)


def _watch_predicted(task: Task, predictions: Rows) -> Iterator[Found]:
    yield from watch_contradiction(task, predictions)
    for group, rows in (("", predictions), *slices_of(task, predictions)):
        yield from watch_predictions(task, rows, group)
        yield from watch_performance(task, rows, group)
        yield from watch_estimate(task, rows, group)


def since_when(windows: list[tuple[Signal, ...]], spans: list[Window]) -> list[tuple[Signal, ...]]:
    """The signals with the start of the unbroken run of windows in which each has moved."""
    runs: dict[str, Window] = {}
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
