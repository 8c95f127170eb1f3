"""Settings (from the environment) and Suite (from a YAML file): frozen, strict, every field documented."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from polymart.errors import SuiteError
from polymart.files import canonical_json, digest_text

Kind = Literal["binary", "multiclass", "multilabel", "tagging", "count", "regression", "ranking", "retrieval"]
Origin = Literal["real", "real-redated", "authored", "derived", "synthetic"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,48}$")]
Fraction = Annotated[float, Field(gt=0, le=1)]


class Settings(BaseSettings):
    """Where things lie on this machine. Each field is read from ``POLYMART_<FIELD>``."""

    model_config = SettingsConfigDict(
        env_prefix="POLYMART_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    data_dir: Path = Field(default_factory=lambda: user_cache_path("polymart"))
    """Downloaded archives and the parquet tables converted from them."""
    extra_data: Path | None = None
    """A folder with datasets of your own (``banking77/``, ``goemotions/``); used where present."""
    work_dir: Path = Path("work")
    """Runs, the MLflow database, the feature store, the deployment repository."""
    mlflow_uri: str = ""
    """MLflow tracking URI; empty means SQLite in the work folder."""
    deploy_repo: str = ""
    """Deployment git repository (path or URL); empty means a bare repository in the work folder."""
    kfp_host: str = ""
    """Kubeflow Pipelines API endpoint for `polymart submit`."""
    kfp_token_file: Path | None = None
    """File that holds the bearer token for ``kfp_host``; secrets are given by reference only."""

    @property
    def tracking_uri(self) -> str:
        return self.mlflow_uri or f"sqlite:///{(self.work_dir / 'mlflow.db').resolve()}"

    @property
    def deployment_repository(self) -> str:
        return self.deploy_repo or str((self.work_dir / "deployment.git").resolve())


class Frozen(BaseModel):
    """Base of every suite section: immutable, typed strictly, numbers finite, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


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


class Join(Frozen):
    """A further file whose columns are added to each row of a table."""

    file: str
    by: list[str] = Field(min_length=1)
    """Columns of both files that identify a row of this one."""


class Table(Frozen):
    """A table of your own, which becomes the task's label table; docs/your-own-data.md has whole examples.

    Files are csv, tsv or parquet, absolute or below ``POLYMART_EXTRA_DATA``. Columns are read as the task's inputs,
    label, group and cluster name them; ``example_id`` (else rows are numbered), ``event_timestamp``, ``label_end`` and
    ``split`` are read where they exist.
    """

    file: str | dict[Literal["train", "val", "test"], str]
    """The file, or one file of each split."""
    join: list[Join] = []
    """Files whose columns are added, e.g. the texts of queries and products that the rows name by id."""
    columns: dict[str, str] = {}
    """Name in the suite -> name in the file, where they differ."""
    header: list[str] = []
    """Names of the columns of a csv or tsv without a header line."""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """What stands between the fields; none takes the comma for .csv and the tabulator for .tsv."""
    quotes: bool = True
    """Whether a double quote opens a field that may hold the delimiter; false reads it as a letter."""
    labels: dict[str, int | float | str] = {}
    """Label in the file -> label of the task, e.g. ``{Exact: 3, Irrelevant: 0}``; empty takes labels as they are."""
    tag_delimiter: str = Field(",", min_length=1)
    """What stands between the labels of one row (tagging, multilabel)."""
    data_origin: Origin
    """Where the numbers come from; shown next to every figure."""
    licence: str = Field(min_length=1)
    note: str = ""


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
    margin: float = Field(0.0, ge=0)
    """Gate margin X_t in metric units: the lower bound of (metric - floor) must exceed -margin."""
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
    def _table_has_labels(self) -> Task:
        if self.table and (self.kind == "retrieval" or self.inputs.label_history):
            raise ValueError("a table of your own brings no item table and no label history: leave them out")
        return self


class Adapter(Frozen):
    """A small trainable part inside a frozen encoder (peft); ``encoder.trainable_layers`` does not apply then."""

    method: Literal["none", "lora", "adalora", "prefix"] = "none"
    rank: int = Field(8, ge=1, le=256)
    """Rank of LoRA, and the average rank that AdaLoRA ends with."""
    prefix_tokens: int = Field(10, ge=1, le=128)
    """Virtual tokens of prefix tuning."""
    dropout: float = Field(0.0, ge=0, lt=1)
    orthogonality: float = Field(0.5, ge=0)
    """Weight of AdaLoRA's penalty on factors that are not orthogonal."""


class Encoder(Frozen):
    """The shared encoders of texts and of pictures."""

    dataset: Name = "minilm"
    """Archive key of the pretrained weights."""
    max_tokens: int = Field(48, ge=8, le=512)
    """Longest text in tokens; longer ones are cut."""
    trainable_layers: int = Field(6, ge=0)
    """How many top layers are fine-tuned; embeddings and the layers below stay frozen."""
    adapter: Adapter = Adapter()
    image_dataset: Name = "efficientnet_lite0"
    """Archive key of the pretrained image backbone; fetched only where a task has pictures."""
    image_size: int = Field(64, ge=32, le=512)
    """Pixels of each side to which a picture is shrunk or enlarged; time grows with its square."""
    image_trainable_blocks: int = Field(8, ge=0, le=16)
    """How many top blocks of the image backbone are fine-tuned; the blocks below stay frozen."""


class Balancing(Frozen):
    """How the tasks share one optimiser."""

    method: Literal["static", "uncertainty", "dwa", "famo", "pcgrad"] = "static"
    """Weighting of the tasks: constant, Kendall's uncertainty, dynamic weight average, FAMO or PCGrad."""
    sampling: Literal["temperature", "annealed"] = "temperature"
    """annealed goes from proportional towards uniform while training: exponent 1 - 0.8 progress."""
    temperature: float = Field(2.0, ge=1)
    """Task sampling p_t ~ min(n_t, cap)^(1/T)."""
    cap: int | None = Field(None, ge=1)
    """Examples of a task beyond which its size does not matter; none for no cap."""
    trunk_clip: float | None = Field(None, gt=0)
    """Largest norm of one task's gradient on the shared trunk; none for no limit."""
    learning_rate: float = Field(0.025, gt=0)
    """Learning rate of the weights that a method learns (uncertainty, FAMO)."""


class Distributed(Frozen):
    """More than one process or machine; on a laptop one process of its own."""

    nodes: int = Field(1, ge=1, le=256)
    """Machines; more than one makes the training step submit a TrainJob to Kubeflow Trainer."""
    processes: int = Field(1, ge=1, le=16)
    """Processes of each machine, one a GPU."""
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    """ddp keeps a whole model in every process; fsdp2 shards the trunk."""


class Training(Frozen):
    """The optimisation schedule."""

    max_steps: int = Field(400, ge=1)
    """Optimiser steps at most."""
    evaluate_every: int = Field(100, ge=1)
    """Steps between validations; early stopping looks at the geometric mean of the tasks' losses, weighted by task."""
    patience: int = Field(3, ge=1)
    """Validations without improvement before stopping."""
    micro_batches: int = Field(4, ge=1)
    """Micro-batches accumulated into one optimiser step."""
    balancing: Balancing = Balancing()
    learning_rate: float = Field(5e-5, gt=0)
    """Peak learning rate of the encoder."""
    head_learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate of feature tower and heads."""
    warmup: float = Field(0.1, ge=0, le=0.5)
    """Fraction of steps with a rising learning rate; it falls to 0 by a cosine afterwards."""
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Autocast precision while training; auto picks bfloat16 where the processor has it. float16 needs a GPU."""
    gradient_checkpointing: bool = False
    """Recompute the encoder's activations in the backward pass: less memory, about a third more time."""
    compile: bool = False
    """Compile the encoder with torch.compile: the first step takes up to minutes; measure before you keep it."""
    checkpoint_every: int = Field(0, ge=0)
    """Steps between saved states from which an interrupted training resumes; 0 takes ``evaluate_every``."""
    distributed: Distributed = Distributed()

    @model_validator(mode="after")
    def _shards_need_no_scaler(self) -> Training:
        if self.distributed.strategy == "fsdp2" and self.precision == "float16":
            raise ValueError("training.precision float16 does not work with strategy fsdp2: use bfloat16 or ddp")
        return self


class Gates(Frozen):
    """When a candidate may become a release."""

    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Confidence of the two-sided intervals; gates use the matching one-sided lower bound."""
    resamples: int = Field(1000, ge=100)
    """Bootstrap resamples over clusters."""
    min_examples: int = Field(200, ge=1)
    """Fewer test examples make a verdict inconclusive."""


class Monitoring(Frozen):
    """What the monitoring pass compares and when it decides to retrain."""

    share_of_drifted_columns: Fraction = 0.3
    """A window is bad when at least this share of the watched columns drifted."""
    max_rows: int = Field(20_000, ge=100)
    """Rows sampled from each side for the drift tests."""
    bad_windows: int = Field(2, ge=1)
    """Bad windows among the last ``of_windows``, the newest among them, that ask for retraining."""
    of_windows: int = Field(5, ge=1)
    cooldown_days: int = Field(7, ge=0)
    """Days after a retraining in which none is started."""
    window_days: int = Field(14, ge=1)
    """Length of one window of event time."""

    @model_validator(mode="after")
    def _windows(self) -> Monitoring:
        if self.bad_windows > self.of_windows:
            raise ValueError(f"bad_windows ({self.bad_windows}) must not exceed of_windows ({self.of_windows})")
        return self


class Suite(Frozen):
    """Which tasks are learned, from which data, and the settings of training, gates and monitoring."""

    name: Name
    description: str = ""
    seed: int = Field(17, ge=0)
    tasks: list[Task] = Field(min_length=1)
    encoder: Encoder = Encoder()
    training: Training = Training()
    gates: Gates = Gates()
    monitoring: Monitoring = Monitoring()

    @model_validator(mode="after")
    def _unique_names(self) -> Suite:
        names = [task.name for task in self.tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"task names must be unique; found twice: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _one_table_a_source(self) -> Suite:
        sources = [task.source for task in self.tasks]
        shared = sorted({task.source for task in self.tasks if task.table and sources.count(task.source) > 1})
        if shared:
            raise ValueError(f"a task with a table needs a source name of its own; found twice: {', '.join(shared)}")
        return self

    @model_validator(mode="after")
    def _prefix_is_kept(self) -> Suite:
        if self.encoder.adapter.method == "prefix" and self.training.gradient_checkpointing:
            raise ValueError(
                "training.gradient_checkpointing would drop the prefix of encoder.adapter: switch one of them off"
            )
        return self

    @model_validator(mode="after")
    def _adapters_are_not_sharded(self) -> Suite:
        method, strategy = self.encoder.adapter.method, self.training.distributed.strategy
        if method != "none" and strategy == "fsdp2":
            raise ValueError(f"strategy fsdp2 has nothing to shard in encoder.adapter {method}: use ddp")
        return self

    def task(self, name: str) -> Task:
        """The task called ``name``.

        Raises:
            SuiteError: no such task.
        """
        for task in self.tasks:
            if task.name == name:
                return task
        known = ", ".join(task.name for task in self.tasks)
        raise SuiteError(f"suite {self.name!r} has no task {name!r}", remedy=f"use one of: {known}")

    def to_json(self) -> str:
        """Canonical JSON; the form in which a suite travels as a pipeline parameter."""
        return canonical_json(self.model_dump(mode="json"))

    def max_tokens(self, task: Task) -> int:
        """Longest text of ``task`` in tokens."""
        return task.max_tokens or self.encoder.max_tokens

    @property
    def digest(self) -> str:
        return digest_text(self.to_json())

    @classmethod
    def from_json(cls, text: str, *, origin: str = "suite") -> Suite:
        """Parse a suite from JSON.

        Raises:
            SuiteError: unknown key, unknown kind, duplicate name or a value outside its range.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            lines = []
            for item in error.errors(include_url=False):
                place = ".".join(str(part) for part in item["loc"]) or "suite"
                found = "" if item["type"] in ("missing", "value_error") else f" (found {item['input']!r})"
                lines.append(f"  {place}: {item['msg']}{found}")
            raise SuiteError(
                f"{origin} is not a valid suite:\n" + "\n".join(lines),
                remedy="correct the named keys; `polymart schema suite` prints every key with its meaning",
            ) from error


def load_suite(path: Path | str) -> Suite:
    """Read a suite from a YAML file.

    Raises:
        SuiteError: the file is absent, not YAML, or not a valid suite.
    """
    path = Path(path)
    if not path.is_file():
        raise SuiteError(
            f"suite file {path} does not exist", remedy="give the path of a YAML file, e.g. suites/quick.yaml"
        )
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SuiteError(
            f"suite file {path} is not YAML: {error}", remedy="correct the file at the named line"
        ) from error
    if not isinstance(content, dict):
        raise SuiteError(
            f"suite file {path} must hold a mapping, found {type(content).__name__}", remedy="see suites/quick.yaml"
        )
    try:
        text = canonical_json(content)
    except TypeError as error:
        raise SuiteError(
            f"suite file {path} has a key that is not text: {error}", remedy="quote the key, or remove it"
        ) from error
    return Suite.from_json(text, origin=str(path))


def dump_suite(suite: Suite) -> str:
    """``suite`` as the YAML of a suite file; keys at their defaults are left out."""
    return yaml.safe_dump(suite.model_dump(mode="json", exclude_defaults=True), sort_keys=False, width=120)
