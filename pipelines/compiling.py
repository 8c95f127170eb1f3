"""Compile a pipeline to KFP IR YAML."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

from kfp import compiler

from components.image import IMAGE
from polymart.config import Cluster
from polymart.errors import SettingError
from polymart.files import atomic_path

PIPELINES = ("training", "monitoring", "tuning")
"""Every folder of `pipelines` with a ``pipeline.py`` whose function has the folder's name."""


def load_pipeline(name: str, cluster: Cluster | None = None) -> Any:
    """The pipeline object called ``name``; a local run ignores what it asks of ``cluster``.

    Raises:
        SettingError: no such pipeline.
    """
    if name not in PIPELINES:
        raise SettingError(f"pipeline {name!r} is unknown", remedy=f"use one of: {', '.join(PIPELINES)}")
    return getattr(importlib.import_module(f"pipelines.{name}.pipeline"), name)(cluster or Cluster())


def compile_pipeline(
    name: str, out: Path, *, cluster: Cluster | None = None, image: str = "", parameters: dict[str, Any] | None = None
) -> Path:
    """Write the IR YAML of pipeline ``name``, inside its exit handler, to ``out``.

    Args:
        cluster: where it will run; none for the defaults.
        image: image of every component, with digest; empty takes the cluster's, or else the development image.
        parameters: defaults for the pipeline's parameters (e.g. the suite).

    Raises:
        SettingError: no such pipeline.
        StorageError: the disk refuses.
    """
    from pipelines.guarded import guarded

    cluster = cluster or Cluster()
    cluster = cluster.model_copy(update={"image": image or cluster.image})  # a retraining gets the same image
    pipeline, image = guarded(name, load_pipeline(name, cluster), cluster), cluster.image
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(package), pipeline_parameters=parameters or None)
        text = package.read_text()
    with atomic_path(out) as path:
        path.write_text(text.replace(f"image: {IMAGE}", f"image: {image}") if image else text)
    return out
