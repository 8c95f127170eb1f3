"""A run becomes a release: manifest, model card, commit, champion; each part real."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from fixtures.registered import VERSIONS, make_registry, mood_suite, register, write_files
from mlflow import MlflowClient

from polymart.errors import ReleaseError
from polymart.files import digest_text, write_json
from polymart.release.manifest import load_manifest
from polymart.release.promotion import history, promote_release
from polymart.release.run import RunFiles, promote_run
from polymart.tracking import read_version


@pytest.fixture
def files(tmp_path: Path) -> RunFiles:
    """What the steps of a run left."""
    written = write_files(tmp_path / "run", mood_suite(), checkpoint="a")
    write_json(tmp_path / "probe.json", {"p50_ms": 1})
    names = ("log", "examples", "evaluation", "verdict")
    return RunFiles(**{name: written[name] for name in names}, probe=tmp_path / "probe.json")


@pytest.fixture
def place(tmp_path: Path, repository: str) -> dict[str, Any]:
    """The other arguments of `promote_run`."""
    return {
        "manifest": tmp_path / "release.json", "card": tmp_path / "card", "data_version": "tables-1",
        "code_version": VERSIONS["code_version"], "repository": repository, "environment": "local",
        "bento_tag": "shop:1", "bento_digest": digest_text("bento"), "locations": {"bento": "/x"},
    }  # fmt: skip


def show(repository: str, path: str) -> str:
    """A file of the deployment repository."""
    command = ["git", "-C", repository, "show", f"main:{path}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_run_becomes_a_release_and_its_version_the_champion(files, place, tmp_path: Path, capsys) -> None:
    uri = make_registry(tmp_path)
    version = register(tmp_path, uri, mood_suite(), checkpoint="a")
    name = promote_run(mood_suite(), files, **place, model_version=version, tracking_uri=uri)
    made = load_manifest(tmp_path / "release.json")
    assert (made.release, made.model_version, made.locations) == (name, "polymart-tiny/1", {"bento": "/x"})
    assert history(place["repository"], "local")[0].release == name
    registered = Path(MlflowClient(uri).download_artifacts(read_version(uri, version).run_id, ""))
    for suffix, start in ((".md", f"# Model card: {name}"), (".html", "<!doctype html>")):
        card = (tmp_path / "card" / f"model_card{suffix}").read_text()
        assert card.startswith(start)
        assert card == show(place["repository"], f"releases/{name}{suffix}")
        assert card == (registered / f"model_card{suffix}").read_text()
    assert read_version(uri, version).aliases == ("challenger", "champion", "champion-local")
    assert capsys.readouterr().out == ""


def test_a_registry_out_of_reach_leaves_the_promotion_and_a_warning(files, place, tmp_path: Path, capsys) -> None:
    absent = f"sqlite:///{tmp_path / 'absent.db'}"
    name = promote_run(mood_suite(), files, **place, model_version="polymart-tiny/1", tracking_uri=absent)
    said = capsys.readouterr().out
    assert said.startswith("warning: local runs what was committed")
    assert said.endswith("repeat with: polymart deploy record --environment local\n")
    assert history(place["repository"], "local")[0].release == name


def test_a_run_that_was_compared_with_another_release_replaces_none(files, place, tmp_path: Path, release) -> None:
    promote_release(place["repository"], release("other"), "local")
    with pytest.raises(ReleaseError, match="was compared with shop-0123456789ab"):
        promote_run(mood_suite(), files, **place, model_version="polymart-tiny/1", tracking_uri="sqlite:////absent.db")
    assert history(place["repository"], "local")[0].release == release("other").release
