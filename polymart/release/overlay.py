"""What an environment's folder in the deployment repository holds: a kustomize Component made from a manifest.

An overlay includes the folder under ``components:``; nothing else in the cluster's manifests changes with a release.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from polymart.files import atomic_path
from polymart.release.manifest import ReleaseManifest

CONFIG_MAP = "polymart-release"
ANNOTATION = "polymart/release"
_HEADER = "# Written by `polymart`: promote or roll back instead of editing.\n"


def config_map(manifest: ReleaseManifest) -> dict[str, Any]:
    """The ConfigMap that names what runs; pods read their release name from it."""
    data = {
        "release": manifest.release, "digest": manifest.digest, "suite_digest": manifest.suite_digest,
        "data_version": manifest.data_version, "code_version": manifest.code_version,
        "checkpoint_digest": manifest.checkpoint_digest, "bento_tag": manifest.bento_tag,
        "bento_digest": manifest.bento_digest, "model_version": manifest.model_version,
        "verdict": manifest.overall, "verdict_digest": manifest.verdict_digest, "override": manifest.override,
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG_MAP}, "data": data}


def component(manifest: ReleaseManifest) -> dict[str, Any]:
    """The kustomize Component: the ConfigMap, the image digests, and an annotation that restarts the pods."""
    annotate = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "any"},
                "spec": {"template": {"metadata": {"annotations": {ANNOTATION: manifest.release}}}}}  # fmt: skip
    images = []
    for name, reference in sorted(manifest.images.items()):
        repository, digest = reference.split("@")
        images.append({"name": name, "newName": repository, "digest": digest})
    return {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "resources": ["release.yaml"],
        # a changed ConfigMap alone restarts nothing: the annotation makes a new release a rollout
        "patches": [{"target": {"kind": "Deployment"}, "patch": yaml.safe_dump(annotate, sort_keys=False)}],
    } | ({"images": images} if images else {})  # fmt: skip


def write_environment(folder: Path, manifest: ReleaseManifest) -> None:
    """Write ``release.yaml`` and ``kustomization.yaml`` into an environment's folder.

    Raises:
        StorageError: the disk is full, read-only or forbidden.
    """
    for name, document in (("release.yaml", config_map(manifest)), ("kustomization.yaml", component(manifest))):
        with atomic_path(folder / name) as temporary:
            temporary.write_text(_HEADER + yaml.safe_dump(document, sort_keys=False, width=1000))
