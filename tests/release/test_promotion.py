"""Promotion against a real bare git repository."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from polymart.errors import ReleaseError
from polymart.release.manifest import ReleaseManifest, build_manifest
from polymart.release.promotion import history, promote_release, rollback_release
from polymart.release.repository import Clone


def git(repository: str, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", repository, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch, tmp_path):
    # what a pod has: no name, no mail, no git settings
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def test_two_promotions_and_history(repository, release):
    first, second = release("a"), release("b")
    assert promote_release(repository, first, "staging").previous == ""
    done = promote_release(repository, second, "staging", author="Ada <ada@shop.test>")
    assert (done.previous, done.changed) == (first.release, True)
    assert done.commit == git(repository, "rev-parse", "main")
    past = history(repository, "staging")
    assert [(d.release, d.action, d.author) for d in past] == [
        (second.release, "promote", "Ada"), (first.release, "promote", "Polymart")]  # fmt: skip
    assert history(repository, "production") == []


def test_same_release_twice_makes_one_commit(repository, make_parts):
    manifest = build_manifest(**make_parts())
    promote_release(repository, manifest, "staging")
    later = build_manifest(**make_parts(created_at=manifest.created_at.replace(year=2030)))
    again = promote_release(repository, later, "staging")
    assert (again.changed, again.release) == (False, manifest.release)
    assert git(repository, "rev-list", "--count", "main") == "1"


def test_commit_carries_verdict_table_and_override(repository, make_parts, make_verdict):
    manifest = build_manifest(**make_parts(verdict=make_verdict("fail"), override="Ada: the old model is broken"))
    promote_release(repository, manifest, "staging")
    message = git(repository, "log", "-1", "--format=%B", "main")
    assert "| coupon_response | floor | fail | 0.123 | lower bound" in message
    assert "OVERRIDE: Ada: the old model is broken" in message
    assert history(repository, "staging")[0].override == "Ada: the old model is broken"


def test_rollbacks_walk_down_the_pile(repository, release):
    manifests = [release(name) for name in "abc"]
    for manifest in manifests:
        promote_release(repository, manifest, "staging")
    assert rollback_release(repository, "staging").release == manifests[1].release
    assert rollback_release(repository, "staging").release == manifests[0].release
    with pytest.raises(ReleaseError, match="no earlier release"):
        rollback_release(repository, "staging")
    assert rollback_release(repository, "staging", manifests[2].release).release == manifests[2].release
    assert rollback_release(repository, "staging").release == manifests[0].release
    assert git(repository, "rev-list", "--count", "main") == "7"


def test_rollback_restores_the_environment_byte_for_byte(repository, release):
    promote_release(repository, release("a"), "staging")
    before = git(repository, "rev-parse", "main:environments/staging")
    promote_release(repository, release("b"), "staging")
    done = rollback_release(repository, "staging")
    assert done.changed
    assert git(repository, "rev-parse", "main:environments/staging") == before
    assert not rollback_release(repository, "staging", done.release).changed


def test_rollback_refuses_a_release_the_environment_never_ran(repository, release):
    promote_release(repository, release("a"), "staging")
    promote_release(repository, release("b"), "production")
    with pytest.raises(ReleaseError, match="staging never ran release"):
        rollback_release(repository, "staging", release("b").release)


def test_a_commit_by_hand_is_shown_and_rolled_back(repository, release, tmp_path):
    promote_release(repository, release("a"), "staging")
    hand = tmp_path / "hand"
    git(".", "clone", "--quiet", repository, str(hand))
    overlay = hand / "environments/staging/release.yaml"
    overlay.write_text(overlay.read_text().replace(release("a").release, "quick-000000000000"))
    git(str(hand), "-c", "user.name=Bob", "-c", "user.email=b@shop.test", "commit", "-qam", "by hand")
    git(str(hand), "push", "--quiet")
    assert [d.action for d in history(repository, "staging")] == ["edit", "promote"]
    assert rollback_release(repository, "staging").release == release("a").release


def _promote(repository: str, manifest: ReleaseManifest, environment: str) -> str:
    return promote_release(repository, manifest, environment).commit


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_concurrent_promotions_lose_nothing(repository, release, pool):
    jobs = [(release(f"{worker}-{turn}"), f"env-{worker}") for worker in range(4) for turn in range(3)]
    with pool(4) as executor:  # the first four also race to create the repository
        commits = list(executor.map(_promote, [repository] * 12, *zip(*jobs, strict=True)))
    log = git(repository, "rev-list", "main").splitlines()
    assert set(log) == set(commits)
    assert len(log) == 12
    assert git(repository, "rev-list", "--merges", "main") == ""
    for worker in range(4):
        ran = {d.release for d in history(repository, f"env-{worker}")}
        assert ran == {m.release for m, environment in jobs if environment == f"env-{worker}"}
    assert len(git(repository, "ls-tree", "--name-only", "main", "releases/").splitlines()) == 12


def test_concurrent_rollbacks_go_back_once(repository, release, monkeypatch):
    for name in "abc":
        promote_release(repository, release(name), "staging")
    push, all_committed, first_tries = Clone.push, threading.Barrier(4), set()

    def push_together(self: Clone) -> None:
        if self.folder not in first_tries:  # every clone has seen c and committed b: now they race
            first_tries.add(self.folder)
            all_committed.wait(timeout=20)
        push(self)

    monkeypatch.setattr(Clone, "push", push_together)
    with ThreadPoolExecutor(4) as executor:
        done = list(executor.map(rollback_release, [repository] * 4, ["staging"] * 4))
    assert {d.release for d in done} == {release("b").release}
    assert sum(d.changed for d in done) == 1


def test_a_rollback_that_meets_a_new_release_stops(repository, release, monkeypatch):
    for name in "ab":
        promote_release(repository, release(name), "staging")
    push = Clone.push

    def push_late(self: Clone) -> None:
        monkeypatch.setattr(Clone, "push", push)
        promote_release(repository, release("c"), "staging")
        push(self)

    monkeypatch.setattr(Clone, "push", push_late)
    with pytest.raises(ReleaseError, match=r"moved from .* during the rollback"):
        rollback_release(repository, "staging")
    assert history(repository, "staging")[0].release == release("c").release


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:9/deploy.git", "ssh://git@127.0.0.1:9/deploy.git", "https://ada:secret@127.0.0.1:9/deploy.git"],
)
def test_unreachable_repository_is_named_without_its_password(release, address):
    with pytest.raises(ReleaseError, match=r"cannot be cloned") as caught:
        promote_release(address, release("a"), "staging")
    assert "secret" not in str(caught.value)


def test_the_token_of_a_pod_opens_a_guarded_repository(repository, release, monkeypatch):
    promote_release(repository, release("a"), "staging")
    git(repository, "update-server-info")
    expected = "Basic " + base64.b64encode(b"polymart:s3cret").decode()

    class Guarded(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") == expected:
                return super().do_GET()
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic realm=git")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Guarded, directory=Path(repository).parent)) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/deployment.git"
        with pytest.raises(ReleaseError, match="cannot be cloned"):
            history(address, "staging")
        monkeypatch.setenv("GIT_ASKPASS_TOKEN", "s3cret")
        assert history(address, "staging")[0].release == release("a").release
        server.shutdown()


def test_what_is_not_a_repository_is_named(release, tmp_path: Path):
    (tmp_path / "notes").mkdir()
    with pytest.raises(ReleaseError, match="notes cannot be cloned"):
        promote_release(str(tmp_path / "notes"), release("a"), "staging")
    with pytest.raises(ReleaseError, match="cannot be cloned"):
        history(str(tmp_path / "absent.git"), "staging")


def test_a_refusing_hook_is_final_and_quoted(repository, release):
    promote_release(repository, release("a"), "staging")
    hook = Path(repository) / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho only on weekdays >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(ReleaseError, match="only on weekdays"):
        promote_release(repository, release("b"), "staging")


@pytest.mark.parametrize("environment", ["../../etc", "Staging", "", "a/b", "--force"])
def test_environment_names_stay_inside_the_repository(repository, release, environment):
    with pytest.raises(ReleaseError, match="an environment's name"):
        promote_release(repository, release("a"), environment)
    assert not os.path.exists(repository)


def test_a_malformed_author_is_refused(repository, release):
    with pytest.raises(ReleaseError, match="author must be"):
        promote_release(repository, release("a"), "staging", author="Ada")
