"""What an environment's folder in the deployment repository holds: a kustomize Component made from a manifest.

An overlay includes the folder under ``components:``; nothing else in the cluster's manifests changes with a release.

The signed manifest travels in an annotation of the pods that serve, from where they read it when they start. A pod of
the release before, started again during a rollout, so finds its own manifest; from the ConfigMap it would read its
successor's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from polymart.files import atomic_path
from polymart.release.manifest import ReleaseManifest

CONFIG_MAP = "polymart-release"
ANNOTATION = "polymart/release"
MANIFEST_ANNOTATION = "polymart/manifest"
SERVING = "app.kubernetes.io/name=polymart-serving"
"""Label of the Deployments that read the manifest."""
WORKLOADS = "Deployment"
"""What a new release restarts; a canary's Rollout takes its pods from the Deployment that it names."""
_HEADER = "# Written by `polymart`: promote or roll back instead of editing.\n"


def config_map(manifest: ReleaseManifest) -> dict[str, Any]:
    """The ConfigMap that names what runs; pods read their release name from it."""
    data = {
        "release": manifest.release, "digest": manifest.digest, "suite_digest": manifest.suite_digest,
        "data_version": manifest.data_version, "code_version": manifest.code_version,
        "checkpoint_digest": manifest.checkpoint_digest, "bento_tag": manifest.bento_tag,
        "bento_digest": manifest.bento_digest, "model_version": manifest.model_version,
        "verdict": manifest.overall, "verdict_digest": manifest.verdict_digest, "override": manifest.override,
        "signature": manifest.signature,
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG_MAP}, "data": data}


def component(manifest: ReleaseManifest) -> dict[str, Any]:
    """The kustomize Component: the ConfigMap, the image digests, and annotations that restart the pods."""
    images = []
    for name, reference in sorted(manifest.images.items()):
        repository, digest = reference.split("@")
        images.append({"name": name, "newName": repository, "digest": digest})
    return {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "resources": ["release.yaml"],
        # a changed ConfigMap alone restarts nothing: the annotation makes a new release a rollout
        "patches": [
            _annotate({"kind": "Deployment"}, ANNOTATION, manifest.release),
            _annotate(
                {"kind": "Deployment", "labelSelector": SERVING}, MANIFEST_ANNOTATION, manifest.model_dump_json()
            ),
        ],
    } | ({"images": images} if images else {})  # fmt: skip


def _annotate(target: dict[str, str], name: str, value: str) -> dict[str, Any]:
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "any"},
             "spec": {"template": {"metadata": {"annotations": {name: value}}}}}  # fmt: skip
    return {"target": target, "patch": yaml.safe_dump(patch, sort_keys=False, width=10**6)}


def write_environment(folder: Path, manifest: ReleaseManifest) -> None:
    """Write ``release.yaml`` and ``kustomization.yaml`` into an environment's folder.

    Raises:
        StorageError: the disk is full, read-only or forbidden.
    """
    for name, document in (("release.yaml", config_map(manifest)), ("kustomization.yaml", component(manifest))):
        with atomic_path(folder / name) as temporary:
            temporary.write_text(_HEADER + yaml.safe_dump(document, sort_keys=False, width=1000))
