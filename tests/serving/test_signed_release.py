"""A worker verifies the release's signature before it loads anything; without a key it says so once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fixtures.registered import make_release, mood_suite

from polymart.config import Settings
from polymart.errors import ReleaseError, SettingError
from polymart.files import digest_text
from polymart.release.manifest import ReleaseManifest
from polymart.release.signing import new_pair, sign, signing_key
from serving.server import running
from serving.signed import MANIFEST, require_signed_release
from serving.startup import load_scorer


@pytest.fixture
def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReleaseManifest:
    """A signed release whose checkpoint has the digest of ``a``, as a pod finds it; its key is trusted."""
    for name, content in zip(("key", "pub"), new_pair(), strict=True):
        (tmp_path / f"release.{name}").write_bytes(content)
    key = signing_key(Settings(signing_key_file=tmp_path / "release.key"))
    manifest = sign(make_release(mood_suite(), checkpoint="a"), key)
    monkeypatch.setenv("POLYMART_RELEASE_KEYS", str(tmp_path / "release.pub"))
    monkeypatch.setenv(MANIFEST, manifest.model_dump_json())
    return manifest


def test_the_signed_release_is_served(signed: ReleaseManifest) -> None:
    require_signed_release(digest_text("a"))


@pytest.mark.parametrize(
    ("manifest", "rule"),
    [
        (lambda text, signature: "", "is empty"),
        (lambda text, signature: text.replace(signature, ""), "found it unsigned"),
        (lambda text, signature: text.replace(signature, signature[:17] + signature[17:][::-1][2:] + "=="), "wrongly"),
        (lambda text, signature: text.replace(signature[:16], "0" * 16), "unknown key 0000000000000000"),
        (lambda text, signature: text.replace("tables-1", "tables-2"), "it was changed"),
        (lambda text, signature: "{}", "not a valid manifest"),
    ],
)
def test_anything_else_is_refused(
    signed: ReleaseManifest, monkeypatch: pytest.MonkeyPatch, manifest: object, rule: str
) -> None:
    monkeypatch.setenv(MANIFEST, manifest(signed.model_dump_json(), signed.signature))  # type: ignore[operator]
    with pytest.raises(ReleaseError, match=rule):
        require_signed_release(digest_text("a"))


def test_another_checkpoint_than_was_signed_is_refused(signed: ReleaseManifest, checkpoint: Path) -> None:
    with pytest.raises(
        ReleaseError, match=f"release {signed.release} has checkpoint {signed.checkpoint_digest}, found"
    ):
        load_scorer(checkpoint, "", 1)


def test_a_file_of_keys_that_is_gone_is_no_permission(signed: ReleaseManifest, tmp_path: Path) -> None:
    (tmp_path / "release.pub").unlink()
    with pytest.raises(SettingError, match="cannot be read"):
        require_signed_release(digest_text("a"))


def test_a_candidate_is_probed_before_anybody_signs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLYMART_RELEASE_KEYS", str(tmp_path / "release.pub"))
    given: list[dict[str, str]] = []

    @contextmanager
    def started(command: list[str], environment: dict[str, str], *_: object) -> Iterator[None]:
        given.append(environment)
        yield

    monkeypatch.setattr("serving.server.started", started)
    with running(tmp_path, None, timeout_s=1):
        pass
    assert "POLYMART_RELEASE_KEYS" not in given[0]


def test_without_a_key_it_is_said_once(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="serving.signed"):
        load_scorer(checkpoint, "", 1)
    said = [record.message for record in caplog.records if record.name == "serving.signed"]
    assert said == ["POLYMART_RELEASE_KEYS is not set: nobody checks who signed this release"]
