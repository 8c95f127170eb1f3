"""A task: what is predicted, from which columns, and how it is measured."""

from __future__ import annotations

from datetime import date

from pydantic import Field, model_validator

from polymart.config.base import Frozen, Kind, Name
from polymart.config.gates import Slice
from polymart.config.table import Table


class Inputs(Frozen):
    """Which columns of the example table the model reads; texts, pictures, numbers and categories suit every kind."""

    text: str | None = None
    """Column with one text, encoded by the shared encoder."""
    text_pair: str | None = None
    """Column with a second text (the product of a query), encoded by itself: the shared trunk is a bi-encoder."""
    image: str | None = None
    """Column with an encoded picture (PNG or JPEG bytes), read by the shared image tower."""
    numeric: list[str] = []
    """Columns with numbers; missing values become the training median, with a missing flag."""
    categorical: list[str] = []
    """Columns with a few distinct strings, embedded; unseen values share one embedding."""
    label_history: str | None = None
    """Prefix P of the list columns ``P_ids`` (label index), ``P_count``, ``P_decayed``, ``P_gap``:
    how often, how recently weighted and how many events ago each label was seen for this entity."""
    baseline: str | None = None
    """Numeric column that is already a forecast of the label (count tasks): the head learns a correction to it."""

    @model_validator(mode="after")
    def _some_input(self) -> Inputs:
        if not (self.text or self.image or self.numeric or self.categorical or self.label_history):
            raise ValueError("a task needs at least one input: text, image, numeric, categorical or label_history")
        if self.text_pair and not self.text:
            raise ValueError("text_pair is the second of two texts: name the first as text")
        return self


class Split(Frozen):
    """A temporal split; an example whose label window crosses a boundary is purged."""

    val_from: date
    """First day of the validation period: a training label window must end before it."""
    test_from: date
    """First day of the test period: a validation label window must end before it."""

    @model_validator(mode="after")
    def _ordered(self) -> Split:
        if not self.val_from < self.test_from:
            raise ValueError(f"val_from ({self.val_from}) must lie before test_from ({self.test_from})")
        return self


class Limits(Frozen):
    """Most examples kept per split, sampled with the suite's seed; 0 keeps all."""

    train: int = Field(0, ge=0)
    val: int = Field(0, ge=0)
    test: int = Field(0, ge=0)


class Task(Frozen):
    """One decision of the shop, learned by one head."""

    name: Name
    """Unique name; the head, the example table and the endpoint carry it."""
    kind: Kind
    """What is predicted; decides head, loss, decoding and metrics."""
    source: Name
    """The label table ``labels/<source>.parquet``; several tasks may read different labels of one table."""
    table: Table | None = None
    """A table of your own from which ``source`` is made; none takes a source that Polymart knows."""
    inputs: Inputs
    label: str = "label"
    """Label column of the example table."""
    feature_service: Name | None = None
    """Feast feature service joined point-in-time to the label rows; none for text-only tasks."""
    group: str | None = None
    """Column whose rows are ranked together (ranking tasks): the query."""
    items: Name | None = None
    """Item table ``items/<items>.parquet`` whose rows are the candidates of a retrieval task."""
    negatives: int = Field(256, ge=1)
    """Items sampled as negatives for each micro-batch of a retrieval task, beside those of the batch itself."""
    quantile: float = Field(0.9, gt=0.5, lt=1)
    """Level of demand that a safety stock covers (count tasks); the median is always forecast too."""
    max_tokens: int | None = Field(None, ge=8, le=512)
    """Longest text of this task in tokens; none takes ``encoder.max_tokens``."""
    metric: str
    """Metric that is gated, e.g. ``recall@10``, ``roc_auc``, ``wape``, ``macro_f1``, ``accuracy``."""
    floor: str
    """The floor that must be beaten: a name from `polymart.evaluation.baselines`."""
    cluster: str
    """Column whose values are resampled whole in the bootstrap (household, series, review ...)."""
    weight: float = Field(1.0, gt=0, le=1000)
    """Static weight w_t of the unit-scaled loss."""
    share: float = Field(1.0, gt=0, le=1000)
    """Factor on the task's sampling probability, on top of what its size gives it."""
    micro_batch: int = Field(32, ge=1)
    """Examples of one homogeneous, length-bucketed micro-batch; texts that repeat in it are encoded once."""
    consistency: float = Field(0.0, ge=0, le=100)
    """Weight of the agreement of two passes with different dropout (R-Drop; binary, multiclass, ranking and tagging
    tasks); above 0 each micro-batch of the task is computed twice."""
    own_layers: int = Field(0, ge=0)
    """How many of the trained top layers the task has for itself: a copy that no other task moves, where sharing them
    costs it quality. The layers below stay shared; its texts then need a pass of their own through these."""
    margin: float = Field(0.0, ge=0)
    """Gate margin X_t in metric units: the lower bound of (metric - floor) must exceed -margin."""
    bar: float | None = None
    """Value that the metric must reach for certain: at least it, or at most it where less is better."""
    regression_margin: float | None = Field(None, gt=0)
    """How much worse than champion or single-task model, in metric units, is no regression yet; none takes the
    metric's own (`polymart.evaluation.paired.MARGINS`)."""
    slices: list[Slice] = []
    """Groups of test rows that are measured by themselves; a group must not fall behind the champion unnoticed."""
    split: Split | None = None
    """Temporal split; none where the source brings its own (questions) or splits by cluster (reviews)."""
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _label_is_no_input(self) -> Task:
        singles = (self.inputs.text, self.inputs.text_pair, self.inputs.image, self.inputs.baseline)
        if self.label in (*singles, *self.inputs.numeric, *self.inputs.categorical):
            raise ValueError(f"the label {self.label!r} cannot be an input of its own task: it is what must be told")
        return self

    @model_validator(mode="after")
    def _answers_can_agree(self) -> Task:
        if self.consistency and self.kind not in ("binary", "multiclass", "ranking", "tagging"):
            raise ValueError(
                f"consistency is of binary, multiclass, ranking and tagging tasks, not of {self.kind}: leave it out"
            )
        return self

    @model_validator(mode="after")
    def _own_layers_read_texts(self) -> Task:
        if self.own_layers and not self.inputs.text:
            raise ValueError("own_layers are layers of the text encoder, and the task reads no text: leave them out")
        return self

    @model_validator(mode="after")
    def _table_has_labels(self) -> Task:
        if self.table and (self.kind == "retrieval" or self.inputs.label_history):
            raise ValueError("a table of your own brings no item table and no label history: leave them out")
        return self
