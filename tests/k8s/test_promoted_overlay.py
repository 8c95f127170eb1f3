"""What a promotion writes is what the overlay takes in: image digests, release name, a restart."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from polymart.config import Settings, load_suite
from polymart.evaluation.records import Verdict
from polymart.files import digest_text
from polymart.release.manifest import build_manifest
from polymart.release.manifests import find_kubectl, validate_overlay
from polymart.release.overlay import config_map
from polymart.release.promotion import promote_release

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


def test_a_promoted_release_reaches_the_pods(manifest, tmp_path):
    repository, clone = tmp_path / "deployment.git", tmp_path / "clone"
    promote_release(str(repository), manifest, "local")
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    overlay = tmp_path / "k8s/overlays/local"
    shutil.rmtree(overlay / "release")
    shutil.copytree(clone / "environments/local", overlay / "release")
    documents = {d["kind"]: d for d in validate_overlay(overlay, find_kubectl(Settings()))}
    template = documents["Deployment"]["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == IMAGES["polymart-serving"]
    assert template["metadata"]["annotations"] == {"polymart/release": manifest.release}
    job = documents["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert job["containers"][0]["image"] == IMAGES["polymart-jobs"]
    assert documents["ConfigMap"]["data"]["release"] == manifest.release
