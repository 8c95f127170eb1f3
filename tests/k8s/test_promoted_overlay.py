"""What a promotion writes is what the overlay takes in: image digests, release name, a restart."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from fixtures.overlays import K8S, crd_schemas, find, kubectl

from polymart.config import load_suite
from polymart.evaluation.records import Verdict
from polymart.files import digest_text
from polymart.release.manifest import build_manifest, manifest_from_json
from polymart.release.manifests import validate_overlays
from polymart.release.overlay import config_map
from polymart.release.promotion import promote_release
from polymart.release.rendered import check_releases

ROOT = Path(__file__).parents[2]
IMAGES = {f"polymart-{name}": f"registry.test/shop/{name}@{digest_text(name)}" for name in ("serving", "jobs")}


@pytest.fixture
def manifest():
    return build_manifest(
        suite=load_suite(ROOT / "suites/quick.yaml"), data_version="1", code_version="1",
        checkpoint_digest=digest_text("c"), bento_tag="shop:1", bento_digest=digest_text("b"), images=IMAGES,
        verdict=Verdict(overall="pass", gates=[]), created_at=datetime(2026, 11, 22, tzinfo=UTC),
    )  # fmt: skip


def test_placeholder_has_the_form_of_a_promotion(manifest):
    placeholder = yaml.safe_load((ROOT / "k8s/overlays/local/release/release.yaml").read_text())
    written = config_map(manifest)
    assert placeholder["data"].keys() == written["data"].keys()
    assert placeholder | {"data": 0} == written | {"data": 0}


@pytest.fixture
def deployment(manifest, tmp_path) -> Path:
    """A deployment repository as Argo CD checks it out: `environments` by promotions, `k8s` put beside it by people."""
    repository, clone = tmp_path / "deployment.git", tmp_path / "clone"
    for environment in ("local", "staging", "staging-next", "production"):
        promote_release(str(repository), manifest, environment)
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    shutil.copytree(K8S, clone / "k8s")
    for overlay in (clone / "k8s/overlays").iterdir():
        shutil.rmtree(overlay / "release")
        path = overlay / "kustomization.yaml"
        path.write_text(path.read_text().replace("- release\n", f"- ../../../environments/{overlay.name}\n"))
    return clone / "k8s/overlays"


def test_a_promoted_release_reaches_the_pods(manifest, deployment):
    documents = validate_overlays([deployment / "local"], kubectl())
    template = find(documents, "Deployment", "serving")["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == IMAGES["polymart-serving"]
    annotations = template["metadata"]["annotations"]
    assert annotations["polymart/release"] == manifest.release
    assert manifest_from_json(annotations["polymart/manifest"], origin="pod") == manifest
    assert check_releases(documents, None)[0].startswith(f"Deployment/polymart-serving: {manifest.release}")
    job = find(documents, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert job["containers"][0]["image"] == IMAGES["polymart-jobs"]
    assert find(documents, "ConfigMap", "release")["data"]["release"] == manifest.release


def test_a_promotion_starts_a_canary_in_production(manifest, deployment):
    """The Rollout names the Deployment whose template the promotion changes."""
    documents = validate_overlays([deployment / "production"], kubectl(), crd_schemas())
    served = find(documents, "Deployment", "serving")
    assert find(documents, "Rollout")["spec"]["workloadRef"]["name"] == served["metadata"]["name"]
    assert served["spec"]["replicas"] == 0
    assert served["spec"]["template"]["metadata"]["annotations"]["polymart/release"] == manifest.release


def test_a_variant_has_a_release_of_its_own(deployment):
    folders = [deployment / "staging", deployment / "staging-next"]
    documents = validate_overlays(folders, kubectl(), crd_schemas())
    template = find(documents, "Deployment", "serving-next")["spec"]["template"]
    assert "polymart/manifest" in template["metadata"]["annotations"]
    served = template["spec"]["containers"][0]
    release = next(v for v in served["env"] if v["name"] == "POLYMART_RELEASE")
    assert release["valueFrom"]["configMapKeyRef"]["name"] == "polymart-release-next"
