"""The files ``evaluation.json`` and ``verdict.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from polymart.files import read_json, write_json

Outcome = Literal["pass", "fail", "inconclusive"]


class Record(BaseModel):
    """Base of the records: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(Record):
    """A metric with its percentile interval."""

    value: float
    low: float
    high: float


class Rival(Record):
    """Another model on the same test rows: the champion, or a model of this task alone."""

    name: str
    """The champion's release, or ``single_task``."""
    checkpoint: str
    """Its digest."""
    score: Score
    gain: Score
    """Candidate minus rival, oriented so that positive is better; paired over clusters."""
    gain_lower_bound: float
    """One-sided lower bound of the gain."""
    margin: float
    """How far below 0 the bound may lie, in metric units."""


class SliceEvaluation(Record):
    """One group of a slice."""

    slice: str
    group: str
    """The value, or the range of numbers, e.g. ``10 to 50``."""
    num_examples: int
    num_clusters: int
    score: Score
    reference: str
    """What the group is compared with: the champion's release, else the floor's name."""
    gain: Score
    p_value: float
    """One-sided bootstrap p that the group is not worse than the reference by more than the margin; before Holm."""


class SliceGap(Record):
    """How far the groups of a slice lie apart, of those with ``gates.min_examples`` examples."""

    slice: str
    best: str
    """Group with the best value."""
    worst: str
    gap: Score
    """Metric of the best minus that of the worst group, oriented so that it is at least 0."""
    lower_bound: float
    """One-sided lower bound of the gap; which groups are best and worst was chosen by looking, and this allows for
    it."""


class Bin(Record):
    """One bin of a reliability plot."""

    confidence: float
    """Mean predicted probability."""
    rate: float
    """Share of the examples for which the prediction came true."""
    num_examples: int


class Calibration(Record):
    """How far probabilities are to be believed, on test rows; the temperature was chosen on validation rows."""

    temperature: float
    error: Score
    """Expected calibration error after scaling."""
    error_unscaled: float
    bins: list[Bin]


class LeakageFinding(Record):
    """One search for a label that is given away."""

    probe: Literal["feature_alone", "shuffled_labels", "shifted_labels"]
    column: str = ""
    """The feature, for the probe of single features."""
    number: float
    """What was measured."""
    limit: float
    leaks: bool
    rule: str
    """The rule in words."""


class TaskEvaluation(Record):
    """One task on its test examples."""

    task: str
    kind: str
    metric: str
    greater_is_better: bool
    score: Score
    score_bound: float | None = None
    """One-sided bound of the score, on the side where it is worse."""
    floor: str
    """Name of the floor."""
    floor_score: Score
    gain: Score
    """Model minus floor, oriented so that positive is better; paired over clusters."""
    gain_lower_bound: float
    """One-sided lower bound of the gain."""
    baseline: str | None = None
    """Name of the classical baseline, where the kind has one."""
    baseline_score: Score | None = None
    champion: Rival | None = None
    """None where nothing was released yet, or the champion has no such task."""
    single_task: Rival | None = None
    slices: list[SliceEvaluation] = []
    gaps: list[SliceGap] = []
    """One for each slice with two groups that are large enough."""
    calibration: Calibration | None = None
    """None where the kind predicts no probability."""
    leakage: list[LeakageFinding] = []
    num_examples: int
    num_clusters: int
    data_origin: str
    others: dict[str, float] = {}
    """The kind's other metrics, without intervals."""


class Defect(Record):
    """Something that makes a checkpoint unfit whatever its metrics are."""

    defect: Literal["manifest", "not_finite", "label_map", "missing_head"]
    task: str = ""
    """Empty where the whole checkpoint is concerned."""
    what: str
    """One sentence: the thing, the rule and the value found."""


class Latency(Record):
    """Answers of the slowest task to one request at a time, encoded and scored in this process, in milliseconds."""

    task: str = ""
    p50_ms: float
    p99_ms: float
    num_requests: int


class FeatureAge(Record):
    """How old the newest features of a source are when its newest label is decided."""

    source: str
    """The source of the labels."""
    features: str = ""
    """The feature table that its tasks read."""
    newest_label: AwareDatetime
    newest_feature: AwareDatetime
    age_days: float


class Evaluation(Record):
    """All tasks of a checkpoint."""

    version: Literal[1] = 1
    suite: str
    checkpoint: str
    """Digest of the checkpoint."""
    confidence: float
    resamples: int
    tasks: list[TaskEvaluation]
    """Empty where a defect kept the checkpoint from being scored."""
    champion: str = ""
    """Release that runs now; empty where there is none."""
    defects: list[Defect] = []
    latency: Latency | None = None
    size_mb: float | None = None
    """Size of the checkpoint's files."""
    feature_age: list[FeatureAge] = []
    skipped: dict[str, str] = {}
    """Tasks left out, with the reason and the way to mend it."""

    def write(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """Read ``evaluation.json``."""
        return cls.model_validate(read_json(path))


class GateResult(Record):
    """One gate: what was asked, what was found."""

    gate: str
    """Its name, e.g. ``floor``, ``champion``, ``integrity``."""
    task: str
    """Empty where the whole candidate is concerned."""
    outcome: Outcome
    number: float
    """The number that decided; NaN where none could be computed."""
    rule: str
    """The rule in words, with its threshold."""
    low: float | None = None
    high: float | None = None
    """The interval of the number, where it has one."""
    cause: str = ""
    """Why it did not pass, in one sentence; empty where it did."""


class Override(Record):
    """Somebody let a candidate through that did not pass; written into the release and every later report."""

    who: str = Field(min_length=1)
    why: str = Field(min_length=1)

    def __str__(self) -> str:
        return f"{self.who}: {self.why}"


class Verdict(Record):
    """Whether the candidate may become a release."""

    version: Literal[1] = 1
    overall: Outcome
    gates: list[GateResult]
    override: Override | None = None
    """Named by whoever submitted the run; None where nobody had to."""

    @property
    def passed(self) -> bool:
        return self.overall == "pass"

    @property
    def may_release(self) -> bool:
        """Passed, or let through by name."""
        return self.passed or self.override is not None

    def write(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> Verdict:
        """Read ``verdict.json``."""
        return cls.model_validate(read_json(path))
