"""`polymart deploy` on the real overlay and a real repository."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from polymart.cli.deploy import app
from polymart.config import load_suite
from polymart.errors import ReleaseError
from polymart.evaluation.records import Verdict
from polymart.files import digest_text
from polymart.release.manifest import build_manifest
from polymart.release.promotion import promote_release

ROOT = Path(__file__).parents[2]
LOCAL = str(ROOT / "k8s/overlays/local")


def deploy(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def releases(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.setenv("POLYMART_DEPLOY_REPO", str(tmp_path / "deployment.git"))
    manifests = [
        build_manifest(
            suite=load_suite(ROOT / "suites/quick.yaml"),
            data_version="1",
            code_version="1",
            bento_tag="shop:1",
            checkpoint_digest=digest_text(name),
            bento_digest=digest_text("b"),
            verdict=Verdict(overall="pass", gates=[]),
            created_at=datetime(2026, 11, 22, tzinfo=UTC),
        )
        for name in "ab"
    ]
    return [promote_release(str(tmp_path / "deployment.git"), manifest, "local").release for manifest in manifests]


def test_render_prints_yaml_and_validate_says_what_it_checked():
    rendered = deploy("render", LOCAL)
    assert rendered.exit_code == 0, rendered.exception
    documents = list(yaml.safe_load_all(rendered.stdout))
    assert f"{len(documents)} documents fit Kubernetes 1.34" in deploy("validate", LOCAL).stdout


def test_diff_tells_what_an_overlay_changes(tmp_path):
    before = tmp_path / "before.yaml"
    before.write_text(deploy("render", LOCAL).stdout)
    same = deploy("diff", LOCAL, str(before))
    assert (same.exit_code, same.stdout) == (0, "nothing differs\n")
    before.write_text(before.read_text().replace("replicas: 1", "replicas: 7", 1))
    changed = deploy("diff", LOCAL, str(before))
    assert changed.exit_code == 1
    lines = [line for line in changed.stdout.splitlines() if line.startswith(("-  replicas", "+  replicas", "---"))]
    assert len(lines) == 3
    assert lines[1:] == ["-  replicas: 7", "+  replicas: 1"]


def test_diff_refuses_a_file_without_objects(tmp_path):
    (tmp_path / "notes.yaml").write_text("- milk")
    assert isinstance(deploy("diff", LOCAL, str(tmp_path / "notes.yaml")).exception, ReleaseError)


def test_validate_refuses_a_folder_without_kustomization(tmp_path):
    assert isinstance(deploy("validate", str(tmp_path)).exception, ReleaseError)


def test_history_and_rollback(releases):
    assert "-> " + releases[0] in deploy("rollback", "--environment", "local").stdout
    assert "already runs" in deploy("rollback", "--environment", "local", "--to", releases[0]).stdout
    shown = deploy("history").stdout
    assert [line.count("rollback") for line in shown.splitlines() if releases[0] in line] == [1, 0]
    assert "has run no release yet" in deploy("history", "--environment", "staging").stdout


def test_rollback_with_nothing_behind_is_refused(releases):
    deploy("rollback", "--environment", "local")
    assert isinstance(deploy("rollback", "--environment", "local").exception, ReleaseError)
