"""The experiment of the manifests is one that every server of it accepts, and its addresses are Services."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from fixtures.overlays import K8S, OVERLAYS, find, rendered

from polymart.release.world import World
from serving.experiments.config import load_experiment


@pytest.mark.parametrize("own", ["main", "next"])
def test_every_variant_can_read_it_and_reach_the_others(own, tmp_path):
    documents = rendered(OVERLAYS["staging"]) + rendered(K8S / "overlays/staging-next")
    path = tmp_path / "experiment.yaml"
    path.write_text(find(documents, "ConfigMap", "polymart-experiment")["data"]["experiment.yaml"])
    experiment = load_experiment(path, own)
    services = World(documents).names("Service", "polymart-staging")
    assert {urlsplit(variant.url).hostname for variant in experiment.variants} <= services
    assert own in {pod.labels.get("polymart/variant") for pod in World(documents).pods}
