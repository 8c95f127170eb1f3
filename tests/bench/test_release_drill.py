"""The drill's judge finds what it is there to find."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench._history import FOLDER, read_repository
from bench._promoting import ENVIRONMENT, release
from polymart.release.promotion import promote_release


def git(folder: Path, *arguments: str) -> str:
    person = ("-c", "user.name=Eve", "-c", "user.email=e@shop.test")
    done = subprocess.run(["git", "-C", str(folder), *person, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Three promotions: two acknowledged, one cut off after its push; a fourth was cut off before."""
    journals, lines = tmp_path / "journals", []
    journals.mkdir()
    for name in "abc":
        done = promote_release(str(tmp_path / "deployment.git"), release(name), ENVIRONMENT)
        lines += [f"begins {done.release}", f"done {done.release} {done.commit}"]
    (journals / "writer-0").write_text("\n".join([*lines[:-1], f"begins {release('d').release}", ""]))
    return tmp_path / "deployment.git"


def test_a_whole_history_has_no_fault(repository: Path, tmp_path: Path) -> None:
    found = read_repository(repository, tmp_path / "journals", None)
    assert (found.lost, found.halves, found.off_line) == ([], [], [])
    assert (len(found.told), len(found.commits), found.landed) == (2, 3, {release("c").release})
    assert found.cut_off == {release("c").release, release("d").release}


def test_a_lost_promotion_is_found(repository: Path, tmp_path: Path) -> None:
    git(repository, "update-ref", "refs/heads/main", "main~2")
    found = read_repository(repository, tmp_path / "journals", None)
    assert found.lost == [release("b").release]
    assert found.halves == []


def test_half_a_promotion_and_a_merge_are_found(repository: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git(tmp_path, "clone", "--quiet", str(repository), str(work))
    git(work, "checkout", "--quiet", "-b", "side", "HEAD~1")
    (work / FOLDER / "kustomization.yaml").write_text("resources: []\n")
    git(work, "commit", "--quiet", "--all", "--message", "half")
    git(work, "checkout", "--quiet", "main")
    git(work, "merge", "--quiet", "--strategy", "ours", "--message", "merge", "side")
    git(work, "push", "--quiet", "origin", "main")
    found = read_repository(repository, tmp_path / "journals", None)
    assert any("changes 0 manifests" in line for line in found.halves)
    assert len(found.off_line) >= 1
