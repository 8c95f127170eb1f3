"""From a checkpoint back to release, commit and registered version, in a real repository and a real registry."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fixtures.registered import VERSIONS, make_registry, make_release, mood_suite, register

from polymart.errors import ReleaseError
from polymart.files import digest_text
from polymart.release.lineage import trace
from polymart.release.promotion import history, promote_release, rollback_release

LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def registry(tmp_path: Path) -> str:
    return make_registry(tmp_path)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch):
    """Set the hour of the commits that follow."""

    def set_hour(hour: int) -> datetime:
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-11-22T{hour:02}:00:00Z")
        return datetime(2026, 11, 22, hour, tzinfo=UTC)

    return set_hour


def promote(repository: str, checkpoint: str, version: str = "", environment: str = "local") -> str:
    release = make_release(mood_suite(), checkpoint=checkpoint, model_version=version)
    return promote_release(repository, release, environment).release


def test_every_link_of_the_chain_is_told(repository: str, registry: str, tmp_path: Path) -> None:
    version = register(tmp_path, registry, mood_suite(), checkpoint="a")
    release = promote(repository, "a", version)
    found = trace(repository, "local", registry, checkpoint=digest_text("a"), at=LATER)
    assert (found.manifest.release, found.manifest.model_version) == (release, version)
    assert found.deployment.commit == history(repository, "local")[0].commit
    assert found.manifest.code_commit == VERSIONS["code_commit"]
    assert found.tags["feature_service.mood"] == "churn"
    assert found.tags["examples.mood"].startswith("sha256:")
    assert len(found.run) == 32
    assert (found.aliases, found.gap) == (("challenger",), "")


def test_of_several_deployments_the_one_that_ran_answered(repository: str, registry: str, at) -> None:
    for hour, checkpoint in [(1, "a"), (3, "b")]:
        at(hour)
        promote(repository, checkpoint)
    at(5)
    rollback_release(repository, "local")
    rolled_back, _, promoted = history(repository, "local")
    for hour, expected in [(2, promoted), (4, promoted), (6, rolled_back)]:  # at 4 the service had not yet rolled out b
        found = trace(repository, "local", registry, checkpoint=digest_text("a"), at=at(hour))
        assert found.deployment == expected


def test_an_answer_older_than_every_commit_still_has_a_release(repository: str, registry: str, at) -> None:
    at(3)
    release = promote(repository, "a")
    assert trace(repository, "local", registry, checkpoint=digest_text("a"), at=at(1)).manifest.release == release


def test_a_registry_out_of_reach_leaves_a_gap_that_is_named(repository: str, tmp_path: Path) -> None:
    promote(repository, "a", "polymart-tiny/1")
    absent = f"sqlite:///{tmp_path / 'absent.db'}"
    found = trace(repository, "local", absent, checkpoint=digest_text("a"), at=LATER)
    assert "there is no model registry at" in found.gap
    assert (found.run, found.tags) == ("", {})


def test_a_release_without_a_version_says_so(repository: str, registry: str) -> None:
    promote(repository, "a")
    found = trace(repository, "local", registry, checkpoint=digest_text("a"), at=LATER)
    assert found.gap == "the release was never registered"


def test_a_foreign_registry_is_refused(repository: str, registry: str, tmp_path: Path) -> None:
    version = register(tmp_path, registry, mood_suite(), checkpoint="another")
    promote(repository, "a", version)
    with pytest.raises(ReleaseError, match=f"registry's {version} holds checkpoint {digest_text('another')}, but"):
        trace(repository, "local", registry, checkpoint=digest_text("a"), at=LATER)


def test_a_checkpoint_that_never_ran_here_is_told_with_where_it_did(repository: str, registry: str) -> None:
    promote(repository, "a", environment="staging")
    promote(repository, "b")
    with pytest.raises(ReleaseError, match=r"'local' never ran checkpoint sha256:.*: staging ran it"):
        trace(repository, "local", registry, checkpoint=digest_text("a"), at=LATER)
    with pytest.raises(ReleaseError, match="none of its 1 deployments had it"):
        trace(repository, "local", registry, checkpoint=digest_text("c"), at=LATER)


def test_a_release_that_is_gone_is_named_with_the_commit_that_holds_it(
    repository: str, registry: str, tmp_path: Path
) -> None:
    release = promote(repository, "a")
    clone, who = tmp_path / "clone", ("-c", "user.name=Ada", "-c", "user.email=ada@localhost")
    for command in (
        ["clone", "--quiet", repository, str(clone)],
        ["-C", str(clone), "rm", "--quiet", f"releases/{release}.json"],
        ["-C", str(clone), *who, "commit", "--quiet", "--message", "tidy"],
        ["-C", str(clone), "push", "--quiet"],
    ):
        subprocess.run(["git", *command], check=True, capture_output=True)
    with pytest.raises(ReleaseError, match=f"release {release}, whose manifest is gone") as caught:
        trace(repository, "local", registry, checkpoint=digest_text("a"), at=LATER)
    restore = caught.value.remedy.removeprefix("restore it: git ").split()
    subprocess.run(["git", "-C", str(clone), *restore], check=True, capture_output=True)
    assert (clone / "releases" / f"{release}.json").is_file()
