"""What is to run: a compiled pipeline with its arguments, and the names by which a server finds it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import kfp_server_api as api
import yaml

from pipelines.arguments import LOADER
from pipelines.client.server import Server
from polymart.errors import PolymartError
from polymart.files import canonical_json, digest_text

KEY_LENGTH = 12


@dataclass(frozen=True)
class Order:
    """A run that is to be, or a schedule of such runs."""

    pipeline: str
    """training, monitoring or tuning."""
    suite: str
    package: Path
    """IR YAML written by `pipelines.compiling.compile_pipeline`."""
    experiment: str = "polymart"
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Digest of the pipeline's name and arguments, hence of suite, code and data versions; part of a run's name."""
        text = canonical_json({"pipeline": self.pipeline, "arguments": self.arguments})
        return digest_text(text).removeprefix("sha256:")[:KEY_LENGTH]

    @property
    def family(self) -> str:
        """Beginning of the names of all runs of this pipeline and suite."""
        return f"{self.suite}-{self.pipeline}-"

    @property
    def repeatable(self) -> bool:
        """Whether the same order means other work later: its arguments do not say which data are read."""
        return "data_version" not in self.arguments

    @cached_property
    def specification(self) -> dict[str, Any]:
        """The pipeline as the API takes it."""
        pipeline, *platform = [d for d in yaml.load_all(self.package.read_text(), LOADER) if d]
        return {"pipeline_spec": pipeline, "platform_spec": platform[0]} if platform else pipeline


def runtime_config(server: Server, order: Order) -> api.V2beta1RuntimeConfig:
    """Arguments, and where the steps' files go."""
    return api.V2beta1RuntimeConfig(parameters=dict(order.arguments), pipeline_root=server.cluster.artifacts)


def named(key: str, text: str, operation: str = "EQUALS") -> str:
    """A filter of the API."""
    return json.dumps({"predicates": [{"operation": operation, "key": key, "string_value": text}]})


def find_experiment(server: Server, name: str) -> str | None:
    """Id of an experiment; None where there is none."""
    listed = server.experiments.experiment_service_list_experiments
    found = server.every(listed, "experiments", filter=named("display_name", name), namespace=server.namespace)
    return next((item.experiment_id for item in found), None)


def experiment_of(server: Server, name: str) -> str:
    """Id of an experiment, made where there is none; two callers at once end with the same one."""
    if known := find_experiment(server, name):
        return known
    body = api.V2beta1Experiment(display_name=name, namespace=server.namespace)
    try:
        return str(server.ask(server.experiments.experiment_service_create_experiment, body).experiment_id)
    except PolymartError:
        # Experiments have unique names: a repeated request is refused, and what was to be made is there.
        if known := find_experiment(server, name):
            return known
        raise
