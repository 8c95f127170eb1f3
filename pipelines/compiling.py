"""Compile a pipeline to KFP IR YAML."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

from kfp import compiler
from kfp.compiler import compiler_utils

from components.image import IMAGE
from polymart.config import Cluster
from polymart.errors import SettingError
from polymart.files import atomic_path, digest_text

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
    with atomic_path(out) as path:
        path.write_text(_compiled(name, cluster or Cluster(), image, parameters))
    return out


def compile_manifests(
    name: str, out: Path, *, cluster: Cluster | None = None, image: str = "", parameters: dict[str, Any] | None = None
) -> Path:
    """Write pipeline ``name`` to ``out`` as what Git deploys: a ``Pipeline`` and a ``PipelineVersion``.

    The version is named after its content, as `polymart upload` names it: Kubernetes refuses to change one in place.

    Raises:
        SettingError, StorageError: as `compile_pipeline`.
    """
    cluster = cluster or Cluster()
    version = version_name(name, _compiled(name, cluster, image, parameters))
    manifests = compiler_utils.KubernetesManifestOptions(
        pipeline_name=f"polymart-{name}",
        pipeline_version_name=version,
        pipeline_version_display_name=version,
        namespace=cluster.namespace,
        include_pipeline_manifest=True,
    )
    with atomic_path(out) as path:
        path.write_text(_compiled(name, cluster, image, parameters, manifests))
    return out


def version_name(name: str, package: str) -> str:
    """Name of a version of pipeline ``name``, made of a digest of its IR YAML."""
    return f"polymart-{name}-{digest_text(package).removeprefix('sha256:')[:12]}"


def _compiled(name: str, cluster: Cluster, image: str, parameters: dict[str, Any] | None, manifests: Any = None) -> str:
    from pipelines.guarded import guarded

    cluster = cluster.model_copy(update={"image": image or cluster.image})  # a retraining gets the same image
    pipeline = guarded(name, load_pipeline(name, cluster), cluster)
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(
            pipeline,
            str(package),
            pipeline_parameters=parameters or None,
            kubernetes_manifest_options=manifests,
            kubernetes_manifest_format=manifests is not None,
        )
        text = package.read_text()
    return text.replace(f"image: {IMAGE}", f"image: {cluster.image}") if cluster.image else text
