"""A suite: the YAML file that lists the tasks and the settings of training, gates and monitoring."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from polymart.config.base import Frozen, Name
from polymart.config.gates import Gates
from polymart.config.monitoring import Monitoring
from polymart.config.task import Task
from polymart.config.training import Encoder, Training
from polymart.errors import SuiteError
from polymart.files import canonical_json, digest_text


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

    @model_validator(mode="after")
    def _own_layers_are_trained(self) -> Suite:
        trained, method = self.encoder.trainable_layers, self.encoder.adapter.method
        for task in self.tasks:
            if task.own_layers and method != "none":
                raise ValueError(
                    f"own_layers of task {task.name} cannot stand beside encoder.adapter {method}: use one"
                )
            if task.own_layers and self.training.distributed.strategy == "fsdp2":
                raise ValueError(f"strategy fsdp2 cannot shard own_layers of task {task.name}: use ddp")
            if task.own_layers > trained:
                raise ValueError(
                    f"task {task.name} wants {task.own_layers} own_layers, but encoder.trainable_layers is {trained}"
                )
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
