"""Evidently metrics that carry numbers which were computed before; the only module that imports Evidently at once."""

from __future__ import annotations

import plotly.graph_objects as go
from evidently.core.datasets import Dataset
from evidently.core.metric_types import SingleValue, SingleValueCalculation, SingleValueMetric
from evidently.legacy.renderers.html_widgets import CounterData, WidgetSize, counter, plotly_figure
from evidently.tests import lt

from monitoring.schema import ColumnDrift, WindowReport

# Evidently puts values unescaped into a script of its page, so a value could end that script.
_HARMLESS = str.maketrans({"<": "‹", ">": "›", "&": "+", "\\": "/"})


class DriftedShare(SingleValueMetric):
    """Drifted share of the judged columns, 0 to 1."""

    judged: int
    drifted: int


class DriftedShareCalculation(SingleValueCalculation[DriftedShare]):
    def display_name(self) -> str:
        return "Share of drifted columns"

    def calculate(self, context: object, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:
        metric = self.metric
        result = self.result(metric.drifted / metric.judged)
        text = f"{metric.drifted} of {metric.judged}"
        result.widget = [counter(counters=[CounterData("columns drifted", text)], title=self.display_name())]
        return result


class ColumnDistance(SingleValueMetric):
    """How far one column moved: PSI or KS."""

    column: str
    method: str
    distance: float
    threshold: float
    buckets: tuple[str, ...] = ()
    reference: tuple[float, ...] = ()
    current: tuple[float, ...] = ()


class ColumnDistanceCalculation(SingleValueCalculation[ColumnDistance]):
    def display_name(self) -> str:
        return f"{self.metric.method} of {self.metric.column}"

    def calculate(self, context: object, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:
        metric = self.metric
        result = self.result(metric.distance)
        title = f"{self.display_name()}: {metric.distance:.3f} (moved from {metric.threshold:.3f})"
        result.widget = [_picture(metric, title)] if metric.buckets else [counter(counters=[], title=title)]
        return result


def _picture(metric: ColumnDistance, title: str) -> object:
    sides = {"reference": metric.reference, "current": metric.current}
    figure = go.Figure([go.Bar(name=name, x=metric.buckets, y=shares) for name, shares in sides.items()])
    figure.update_layout(barmode="group", yaxis_title="share", height=300)
    return plotly_figure(title=title, figure=figure, size=WidgetSize.HALF)


def metrics_of(window: WindowReport) -> list[SingleValueMetric]:
    """The metrics of a window with at least one judged column."""
    found: list[SingleValueMetric] = [DriftedShare(judged=len(window.judged), drifted=len(window.drifted))]
    return found + [metric for column in window.judged for metric in _of_column(column)]


def _of_column(column: ColumnDrift) -> list[ColumnDistance]:
    name = column.name.translate(_HARMLESS)
    psi, bound, shares = column.psi or 0.0, column.threshold or 0.0, column.distribution
    drawn = {} if shares is None else {
        "buckets": tuple(bucket.translate(_HARMLESS) for bucket in shares.buckets),
        "reference": shares.reference,
        "current": shares.current,
    }  # fmt: skip
    found = [ColumnDistance(column=name, method="PSI", distance=psi, threshold=bound, tests=[lt(bound)], **drawn)]
    if column.ks is not None and column.ks_threshold is not None:
        ks, bound = column.ks, column.ks_threshold
        found.append(ColumnDistance(column=name, method="KS", distance=ks, threshold=bound, tests=[lt(bound)]))
    return found
