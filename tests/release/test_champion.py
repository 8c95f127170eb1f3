"""The release that a candidate would replace: found in a real git repository, fetched from its place or from MLflow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from fixtures.tiny_suite import tiny_checkpoint, tiny_suite

from polymart.errors import CheckpointError, ReleaseError
from polymart.evaluation.rivals import Champion, read_champion
from polymart.files import digest_file, digest_text
from polymart.model.predictor import Predictor
from polymart.release.champion import fetch_champion, find_champion
from polymart.release.manifest import ReleaseManifest, build_manifest
from polymart.release.promotion import history, promote_release, rollback_release
from polymart.training.checkpoint import save_checkpoint

SUITE = tiny_suite("mood")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "checkpoint"
    save_checkpoint(tiny_checkpoint(SUITE), folder)
    return folder


@pytest.fixture
def released(checkpoint: Path, tmp_path: Path, make_parts: Callable[..., dict[str, Any]]) -> ReleaseManifest:
    """A release of a checkpoint of this test's own."""
    shutil.copytree(checkpoint, tmp_path / "run" / "checkpoint")
    digest = Predictor.load(checkpoint).checkpoint.digest
    places = {"checkpoint": str(tmp_path / "run" / "checkpoint")}
    return build_manifest(**make_parts(checkpoint_digest=digest, locations=places, model_version="polymart-tiny/1"))


@pytest.fixture(scope="module")
def registry(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real registry that holds the checkpoint as version polymart-tiny/1."""
    folder = tmp_path_factory.mktemp("mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    run = client.create_run(client.create_experiment("tiny", (folder / "artifacts").as_uri()))
    client.log_artifacts(run.info.run_id, str(checkpoint), "checkpoint")
    client.create_registered_model("polymart-tiny")
    client.create_model_version("polymart-tiny", f"{run.info.artifact_uri}/checkpoint", run.info.run_id)
    return f"sqlite:///{folder}/mlflow.db"


def found(repository: str, candidate: str, environment: str = "local") -> str:
    manifest = find_champion(repository, environment, digest_text(candidate))
    return manifest.release if manifest else ""


def test_the_champion_is_what_runs_and_a_released_candidate_meets_what_it_replaced(repository, release):
    assert found(repository, "a") == "", "where nothing is, nothing was released"
    first, second = release("a"), release("b")
    promote_release(repository, first, "local")
    assert (found(repository, "b"), found(repository, "a")) == (first.release, "")
    promote_release(repository, second, "local")
    names = [found(repository, candidate) for candidate in ("a", "b", "new")]
    assert names == ["", first.release, second.release]
    assert found(repository, "new", "staging") == ""


def test_a_rollback_does_not_let_an_unchanged_candidate_in_again(repository, release):
    first, second = release("a"), release("b")
    for manifest in (first, second):
        promote_release(repository, manifest, "local")
    before = found(repository, "b")
    rollback_release(repository, "local")
    assert found(repository, "b") == before == first.release, "the same comparison as ever, so nothing is done anew"
    assert found(repository, "new") == first.release


def test_only_the_release_that_was_compared_with_is_replaced(repository, release):
    first, second, third = release("a"), release("b"), release("c")
    promote_release(repository, first, "local", compared_with="")
    promote_release(repository, second, "local", compared_with=first.release)
    for compared_with in ("", first.release):
        with pytest.raises(ReleaseError, match=f"local runs {second.release}, but {third.release} was compared with"):
            promote_release(repository, third, "local", compared_with=compared_with)
    assert history(repository, "local")[0].release == second.release
    assert not promote_release(repository, second, "local", compared_with=first.release).changed, "a step is repeated"
    promote_release(repository, third, "local", compared_with=None)
    assert history(repository, "local")[0].release == third.release, "the suite asked for no comparison"


def test_a_release_is_fetched_whole(released, tmp_path):
    fetch_champion(released, "sqlite:////nowhere/mlflow.db", tmp_path / "champion")
    champion = read_champion(tmp_path / "champion")
    assert champion == Champion(released.release, tmp_path / "champion" / "checkpoint")
    assert Predictor.load(champion.checkpoint).checkpoint.digest == released.checkpoint_digest
    assert json.loads((tmp_path / "champion" / "champion.json").read_text())["note"].endswith(
        released.locations["checkpoint"]
    )


def test_no_release_is_said(tmp_path):
    fetch_champion(None, "", tmp_path / "champion")
    assert read_champion(tmp_path / "champion") is None
    about = json.loads((tmp_path / "champion" / "champion.json").read_text())
    assert about["release"] == ""
    assert "no release came before" in about["note"]


@pytest.mark.parametrize("name", ["model.safetensors", "suite.json", "manifest.json"])
def test_a_changed_file_is_refused_by_name_with_the_remedy(released, tmp_path, name):
    file = Path(released.locations["checkpoint"]) / name
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ReleaseError) as caught:
        fetch_champion(released, "", tmp_path / "champion")
    assert released.release in caught.value.message
    assert str(file.parent) in caught.value.message
    assert "gates.champion" in caught.value.remedy
    assert not (tmp_path / "champion").exists()


@pytest.mark.parametrize("place", ["gone", "object store"])
def test_the_registry_has_what_is_no_folder_here(released, registry, tmp_path, place):
    shutil.rmtree(Path(released.locations["checkpoint"]).parent)
    if place == "object store":
        released = released.model_copy(update={"locations": {"checkpoint": "s3://bucket/run/checkpoint"}})
    fetch_champion(released, registry, tmp_path / "champion")
    champion = read_champion(tmp_path / "champion")
    assert Predictor.load(champion.checkpoint).checkpoint.digest == released.checkpoint_digest
    assert "polymart-tiny/1 of the registry" in (tmp_path / "champion" / "champion.json").read_text()


def test_another_model_under_the_version_is_refused(released, registry, make_parts, tmp_path):
    other = build_manifest(**make_parts(checkpoint_digest=digest_text("other"), model_version="polymart-tiny/1"))
    with pytest.raises(ReleaseError, match=rf"{other.release}.* must have digest {other.checkpoint_digest}"):
        fetch_champion(other, registry, tmp_path / "champion")


@pytest.mark.parametrize("version", ["polymart-tiny/7", ""])
def test_gone_everywhere_is_an_error_that_names_release_and_remedy(make_parts, registry, tmp_path, version):
    gone = build_manifest(**make_parts(locations={"checkpoint": str(tmp_path / "gone")}, model_version=version))
    with pytest.raises(ReleaseError) as caught:
        fetch_champion(gone, registry, tmp_path / "champion")
    assert gone.release in caught.value.message
    assert str(tmp_path / "gone") in caught.value.message
    assert "gates.champion" in caught.value.remedy


def test_a_champion_that_changed_after_it_was_fetched_is_refused(released, tmp_path):
    fetch_champion(released, "", tmp_path / "champion")
    (tmp_path / "champion" / "checkpoint" / "tasks.json").unlink()
    with pytest.raises(CheckpointError, match=r"tasks\.json"):
        read_champion(tmp_path / "champion")
    shutil.rmtree(tmp_path / "champion" / "checkpoint")
    other = tiny_checkpoint(SUITE, seed=1)
    save_checkpoint(other, tmp_path / "champion" / "checkpoint")
    with pytest.raises(CheckpointError, match=rf"champion {released.release} must have digest"):
        read_champion(tmp_path / "champion")


@pytest.mark.parametrize("name", ["suite.json", "tasks.json"])
def test_a_champion_of_other_code_is_named_with_the_remedy(checkpoint, tmp_path, name):
    shutil.copytree(checkpoint, tmp_path / "checkpoint")
    old = json.loads((tmp_path / "checkpoint" / name).read_text())
    (old if name == "suite.json" else old["mood"])["key_of_long_ago"] = 1
    (tmp_path / "checkpoint" / name).write_text(json.dumps(old))
    manifest = json.loads((tmp_path / "checkpoint" / "manifest.json").read_text())
    manifest["files"][name] = digest_file(tmp_path / "checkpoint" / name)
    (tmp_path / "checkpoint" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        CheckpointError, match=r"(?s)champion tiny-1 cannot be loaded.*key_of_long_ago.*gates\.champion"
    ):
        Champion("tiny-1", tmp_path / "checkpoint").load()
