"""When a candidate may become a release."""

from __future__ import annotations

from pydantic import Field, model_validator

from polymart.config.base import Fraction, Frozen, Name


class Slice(Frozen):
    """Groups of a task's test rows that are measured by themselves."""

    name: Name
    column: str
    """Column of the label rows, of their features or of an input text; it need not be an input."""
    edges: list[float] = []
    """Rising inner borders of ranges of a number; none makes every distinct value a group."""
    words: bool = False
    """Measure the number of words of a text instead of its value."""
    max_gap: float | None = Field(None, gt=0)
    """Fairness: the largest difference of the metric between two groups, in its units; none reports and never gates."""

    @model_validator(mode="after")
    def _edges_rise(self) -> Slice:
        if sorted(set(self.edges)) != self.edges:
            raise ValueError(f"edges of slice {self.name!r} must rise, found {self.edges}")
        if self.words and not self.edges:
            raise ValueError(f"slice {self.name!r} counts words: give the edges of its ranges, e.g. [10, 50]")
        return self


class Gates(Frozen):
    """When a candidate may become a release. Every task is also held against its floor."""

    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Confidence of the two-sided intervals; gates use the matching one-sided lower bound."""
    resamples: int = Field(2000, ge=100)
    """Bootstrap resamples over clusters."""
    min_examples: int = Field(200, ge=1)
    """Fewer test examples make a verdict inconclusive."""
    champion: bool = True
    """Whether each task must be non-inferior to the release that runs, where there is one."""
    single_task: bool = False
    """Whether each task must be non-inferior to a model of its own; trains those models (kept by digest)."""
    leakage: bool = True
    """Whether the run looks for a feature that gives the label away, and for labels that leak into the evaluation."""
    calibration_error: Fraction | None = None
    """Largest expected calibration error of probabilistic heads after temperature scaling; none only reports it."""
    feature_age_days: int | None = Field(None, ge=1)
    """Largest age of the newest features when the newest label is decided; none only reports it."""
    latency_ms: float | None = Field(None, gt=0)
    """Largest 99th percentile of a request to the started bento, in milliseconds; none only reports it."""
    size_mb: float | None = Field(None, gt=0)
    """Largest checkpoint, in megabytes; none only reports it."""
