"""The digest of the code and its commit: the checkout's, the image's, never somebody else's repository's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from polymart import version


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that tracks a copy of the module, which the module takes for itself."""
    monkeypatch.delenv("POLYMART_CODE_COMMIT", raising=False)
    shutil.copy(Path(version.__file__), tmp_path / "version.py")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "start")
    git(tmp_path, "tag", "v1")
    monkeypatch.setattr(version, "__file__", str(tmp_path / "version.py"))
    return tmp_path


def test_a_checkout_tells_its_commit_and_whether_files_differ(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert version.code_commit() == head
    (checkout / "version.py").write_text("changed")
    assert version.code_commit() == f"{head}-dirty"


def test_a_hook_of_another_repository_does_not_mislead(checkout: Path, tmp_path_factory, monkeypatch) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    commit = version.code_commit()
    monkeypatch.undo()
    assert commit == git(checkout, "rev-parse", "HEAD")


def test_an_installed_copy_takes_no_foreign_commit(checkout: Path, monkeypatch) -> None:
    installed = checkout / ".venv" / "version.py"
    installed.parent.mkdir()
    shutil.copy(checkout / "version.py", installed)
    monkeypatch.setattr(version, "__file__", str(installed))
    assert version.code_commit() == ""


def test_an_image_says_the_commit_it_was_built_from(checkout: Path, monkeypatch) -> None:
    monkeypatch.setenv("POLYMART_CODE_COMMIT", "abc123")
    assert version.code_commit() == "abc123"


def test_without_git_nothing_is_known(checkout: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert version.code_commit() == ""


def test_a_folder_with_the_name_of_a_room_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / "mine.py").write_text("a user's own")
    code = "from polymart.version import code_version; print(code_version())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == version.code_version()
