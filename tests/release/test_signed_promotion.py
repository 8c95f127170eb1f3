"""Signed promotions, and those that people merge, in a real bare git repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from polymart.config import Settings
from polymart.errors import ReleaseError
from polymart.release.promotion import history, promote_release, promote_released, rollback_release
from polymart.release.signing import new_pair, sign, signing_key, trusted_keys


def git(repository: Path | str, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def ours(tmp_path) -> Settings:
    for name, content in zip(("key", "pub"), new_pair(), strict=True):
        (tmp_path / f"release.{name}").write_bytes(content)
    return Settings(signing_key_file=tmp_path / "release.key", release_keys=tmp_path / "release.pub")


@pytest.fixture
def ssh_key(tmp_path) -> Path:
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bot", "-f", str(key)], check=True)
    return key


def test_history_tells_who_signed_and_what_was_altered(repository, release, ours, tmp_path):
    keys, (name,) = trusted_keys(ours), trusted_keys(ours)
    promote_release(repository, release("a"), "staging")
    for checkpoint in "bc":
        promote_release(repository, sign(release(checkpoint), signing_key(ours)), "staging")
    told = [deployment.standing for deployment in history(repository, "staging", keys=keys)]
    assert told == [f"signed by {name}", f"signed by {name}", "unsigned"]
    assert f"Signed: {name}" in git(repository, "log", "-1", "--format=%B", "main")
    git(".", "clone", "--quiet", repository, str(tmp_path / "hand"))
    kept = tmp_path / "hand/releases" / f"{release('b').release}.json"
    kept.write_text(kept.read_text().replace('"data_version": "tables-1"', '"data_version": "tables-2"'))
    git(tmp_path / "hand", "-c", "user.name=Eve", "-c", "user.email=e@shop.test", "commit", "-qam", "nothing to see")
    git(tmp_path / "hand", "push", "--quiet")
    told = [deployment.standing for deployment in history(repository, "staging", keys=keys)]
    assert told == [f"signed by {name}", "altered: its manifest is gone or was changed", "unsigned"]
    with pytest.raises(ReleaseError, match="it was changed"):
        rollback_release(repository, "staging", keys=keys)
    with pytest.raises(ReleaseError, match="found it unsigned"):
        rollback_release(repository, "staging", release("a").release, keys=keys)
    with pytest.raises(ReleaseError, match="found it unsigned"):
        promote_released(repository, release("a").release, "production", keys=keys)
    assert history(repository, "production") == []


def test_a_release_is_signed_anew_by_another_key(repository, release, ours, tmp_path):
    promote_release(repository, release("a"), "staging")
    again = promote_release(repository, sign(release("a"), signing_key(ours)), "staging")
    assert again.changed
    assert history(repository, "staging", keys=trusted_keys(ours))[0].standing.startswith("signed by")
    assert not promote_release(repository, release("a"), "staging").changed  # the signature stays


def test_commits_are_signed_with_the_key_that_is_named(repository, release, ssh_key, tmp_path, monkeypatch):
    promote_release(repository, release("a"), "staging")
    monkeypatch.setenv("POLYMART_COMMIT_KEY_FILE", str(ssh_key))
    promote_release(repository, release("b"), "staging")
    signers = tmp_path / "signers"
    for text, found in [(f"polymart@localhost {ssh_key.with_suffix('.pub').read_text()}", "signed"), ("", "unknown")]:
        signers.write_text(text)
        newest, oldest = history(repository, "staging", signers=signers)
        assert newest.commit_signature.endswith(found)
        assert oldest.commit_signature == ""
    monkeypatch.setenv("POLYMART_COMMIT_KEY_FILE", str(tmp_path / "absent"))
    with pytest.raises(ReleaseError, match="absent"):
        promote_release(repository, release("c"), "staging")


def test_a_merge_request_changes_nothing_until_people_merge_it(repository, release, tmp_path):
    first, second = release("a"), release("b")
    with pytest.raises(ReleaseError, match="no branch main to merge into yet"):
        promote_release(repository, first, "production", merge_request=True)
    promote_release(repository, first, "staging")
    promote_release(repository, second, "staging")
    head = git(repository, "rev-parse", "main")
    done = promote_released(repository, first.release, "production", merge_request=True)
    assert (done.branch, done.changed) == (f"promote/production/{first.release}", True)
    assert done.text.startswith(f"Promote production to {first.release}\n\nVerdict: pass")
    assert "| coupon_response | floor | pass |" in done.text
    assert git(repository, "rev-parse", "main") == head
    assert git(repository, "rev-parse", f"{done.branch}^") == head
    assert history(repository, "production") == []
    again = promote_released(repository, first.release, "production", merge_request=True)
    assert (again.changed, again.commit) == (False, done.commit)
    rollback_release(repository, "staging")  # main moves on: the branch is made anew on its head
    moved = promote_released(repository, first.release, "production", merge_request=True)
    assert git(repository, "rev-parse", f"{moved.branch}^") == git(repository, "rev-parse", "main")
    work = tmp_path / "work"
    git(".", "clone", "--quiet", repository, str(work))
    person = ("-c", "user.name=Ada", "-c", "user.email=a@shop.test")
    git(work, *person, "merge", "--quiet", "--no-ff", "-m", "Merge it", f"origin/{moved.branch}")
    git(work, "push", "--quiet", "origin", "main")
    (ran,) = history(repository, "production")
    assert (ran.release, ran.action, ran.author) == (first.release, "promote", "Ada")
    assert not promote_released(repository, first.release, "production").changed


def test_a_crlf_and_a_foreign_letter_in_a_file_by_hand_are_read(repository, release, tmp_path):
    promote_release(repository, release("a"), "staging")
    work = tmp_path / "work"
    git(".", "clone", "--quiet", repository, str(work))
    file = work / "environments/staging/release.yaml"
    text = file.read_text().replace("override: ''", "override: 'Zoë: the old model is broken'")
    file.write_bytes(text.replace("\n", "\r\n").encode())
    git(work, "-c", "user.name=Zoë", "-c", "user.email=z@shop.test", "commit", "-qam", "by hand")
    git(work, "push", "--quiet")
    newest, oldest = history(repository, "staging")
    assert (newest.override, newest.author, newest.action) == ("Zoë: the old model is broken", "Zoë", "edit")
    assert oldest.override == ""
