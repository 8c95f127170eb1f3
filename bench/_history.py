"""What `bench.release_drill` left in the repository, held against what its writers were told."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench._promoting import ENVIRONMENT
from polymart.errors import ReleaseError
from polymart.release.manifest import manifest_from_json
from polymart.release.overlay import write_environment
from polymart.release.signing import TrustedKeys, require_signed

FOLDER = f"environments/{ENVIRONMENT}"


@dataclass(frozen=True)
class Found:
    """Releases and commits by what became of them."""

    told: dict[str, str]
    """Release that a writer was told is done -> its commit."""
    cut_off: set[str]
    """Releases whose promotion began and was never done."""
    commits: dict[str, str]
    """Commit of the branch, newest first -> the release that it puts to work."""
    lost: list[str]
    landed: set[str]
    """Cut off, yet in history."""
    halves: list[str]
    """What is there by half: a commit with other files than its release's, or files of a release without a commit."""
    off_line: list[str]
    """Commits with other than one parent, the first one aside, and commits that promote a release again."""

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(value) for name, value in vars(self).items()}


def read_repository(repository: Path, journals: Path, keys: TrustedKeys | None) -> Found:
    """Read every commit of the repository and every journal.

    Args:
        repository: bare.
        journals: folder of the writers' journals.
        keys: whose signature every release must have.
    """
    lines = [line.split() for journal in journals.iterdir() for line in journal.read_text().splitlines()]
    begun = {line[1] for line in lines if line[0] == "begins"}
    told = {line[1]: line[2] for line in lines if line[0] == "done"}
    _git(repository, "fsck", "--strict", "--no-dangling")
    commits: dict[str, str] = {}
    halves: list[str] = []
    off_line: list[str] = []
    log = [line.split() for line in _git(repository, "log", "--format=%H %P", "main").splitlines()]
    for number, (commit, *parents) in enumerate(log):
        release, fault = _promoted(repository, commit, keys)
        halves += [f"{commit}: {fault}"] if fault else []
        if len(parents) != (number + 1 < len(log)) or release in commits.values():
            off_line.append(commit)
        commits[commit] = release
    kept = {Path(name).stem for name in _git(repository, "ls-tree", "--name-only", "main", "releases/").splitlines()}
    halves += sorted(kept ^ set(commits.values()))
    lost = [release for release, commit in told.items() if commits.get(commit) != release]
    cut_off = begun - told.keys()
    landed = set(commits.values()) & cut_off
    halves += sorted(set(commits.values()) - begun)
    return Found(told, cut_off, commits, lost, landed, halves, off_line)


def _promoted(repository: Path, commit: str, keys: TrustedKeys | None) -> tuple[str, str]:
    """The release that a commit puts to work, and what is wrong with the commit."""
    changed = _git(repository, "diff-tree", "--root", "-r", "--no-commit-id", "--name-only", commit).splitlines()
    manifests = [name for name in changed if name.startswith("releases/")]
    if len(manifests) != 1:
        return "", f"changes {len(manifests)} manifests"
    try:
        manifest = manifest_from_json(_git(repository, "show", f"{commit}:{manifests[0]}"), origin=manifests[0])
        require_signed(manifest, keys)
    except ReleaseError as error:
        return Path(manifests[0]).stem, error.message
    with tempfile.TemporaryDirectory() as folder:
        write_environment(Path(folder), manifest)
        expected = {path.name: path.read_text() for path in Path(folder).iterdir()}
    if set(changed) != {manifests[0], *(f"{FOLDER}/{name}" for name in expected)}:
        return manifest.release, f"changes {', '.join(changed)}"
    other = [name for name, text in expected.items() if _git(repository, "show", f"{commit}:{FOLDER}/{name}") != text]
    return manifest.release, f"has another {', '.join(other)}" if other else ""


def _git(repository: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=True).stdout
