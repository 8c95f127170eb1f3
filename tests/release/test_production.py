"""The registry follows the deployment repository, both real; the repository stays the truth."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fixtures.registered import make_registry, make_release, mood_suite, register

from polymart.errors import ReleaseError
from polymart.release.production import follow_with_registry, record_history
from polymart.release.promotion import history, promote_release, rollback_release
from polymart.tracking import read_version


@pytest.fixture
def registry(tmp_path: Path) -> str:
    return make_registry(tmp_path)


def release(folder: Path, uri: str, repository: str, checkpoint: str) -> str:
    """Register and promote a checkpoint; returns its version."""
    version = register(folder, uri, mood_suite(), checkpoint=checkpoint)
    promote_release(repository, make_release(mood_suite(), checkpoint=checkpoint, model_version=version), "local")
    return version


def test_the_champion_is_what_the_commits_say(repository: str, registry: str, tmp_path: Path) -> None:
    first = release(tmp_path, registry, repository, "a")
    assert follow_with_registry(repository, "local", registry) == ""
    second = release(tmp_path, registry, repository, "b")
    register(tmp_path, registry, mood_suite(), checkpoint="never released")
    for champion in (second, first):
        for _ in range(2):
            assert follow_with_registry(repository, "local", registry) == ""
            assert "champion" in read_version(registry, champion).aliases
        rollback_release(repository, "local") if champion is second else None
    newest, _, oldest = history(repository, "local")
    served = read_version(registry, first).tags["served.local"]
    assert served.count(" to now (rollback") == 1
    assert newest.commit[:12] in served
    assert oldest.commit[:12] in served
    assert [deployment.model_version for deployment in history(repository, "local")] == [first, second, first]


def test_a_registry_out_of_reach_undoes_nothing_and_the_line_repeats_it(
    repository: str, registry: str, tmp_path: Path
) -> None:
    version = release(tmp_path, registry, repository, "a")
    said = follow_with_registry(repository, "local", f"sqlite:///{tmp_path / 'absent.db'}")
    assert said.startswith("local runs what was committed, but")
    assert said.endswith("repeat with: polymart deploy record --environment local")
    assert len(history(repository, "local")) == 1
    assert record_history(repository, "local", registry) == []
    assert read_version(registry, version).aliases == ("challenger", "champion", "champion-local")


def test_a_damaged_registry_undoes_nothing(repository: str, registry: str, tmp_path: Path) -> None:
    release(tmp_path, registry, repository, "a")
    (tmp_path / "torn.db").write_bytes(b"no database" * 100)
    assert "polymart deploy record" in follow_with_registry(repository, "local", f"sqlite:///{tmp_path / 'torn.db'}")


def test_a_deleted_version_is_told(repository: str, registry: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    first, _ = (release(tmp_path, registry, repository, name) for name in "ab")
    MlflowClient(registry).delete_model_version(*first.split("/"))
    assert follow_with_registry(repository, "local", registry) == (
        f"the model registry holds {first} no more, which local once ran"
    )


def test_releases_that_were_never_registered_need_no_registry(repository: str, tmp_path: Path) -> None:
    promote_release(repository, make_release(mood_suite(), checkpoint="a"), "local")
    assert record_history(repository, "local", f"sqlite:///{tmp_path / 'absent.db'}") == []


def test_a_repository_out_of_reach_is_an_error(tmp_path: Path, registry: str) -> None:
    with pytest.raises(ReleaseError, match="cannot be cloned"):
        record_history(str(tmp_path / "absent.git"), "local", registry)


def test_times_are_in_utc_whatever_the_committer_wrote(repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-11-22T23:30:00-05:00")
    promote_release(repository, make_release(mood_suite(), checkpoint="a"), "local")
    shown = subprocess.run(
        ["git", "--git-dir", repository, "log", "-1", "--format=%cI"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("2026-11-22T23:30:00-05:00")
    assert f"{history(repository, 'local')[0].at:%Y-%m-%d %H:%M}" == "2026-11-23 04:30"
