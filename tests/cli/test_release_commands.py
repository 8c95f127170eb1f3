"""`polymart keys signing`, `polymart deploy promote` and `polymart rollback` on a real repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.registered import make_release, mood_suite
from typer.testing import CliRunner

from polymart.cli.main import build_app
from polymart.config import Settings
from polymart.errors import ReleaseError, SettingError
from polymart.release.promotion import promote_release
from polymart.release.signing import sign, signing_key


def polymart(*arguments: str) -> str:
    """What a command prints."""
    return CliRunner().invoke(build_app(), list(arguments), catch_exceptions=False).stdout


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two releases of ``staging``: the first one is not signed, the second one is."""
    for name in ("POLYMART_WORK_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    first, second = (make_release(mood_suite(), checkpoint=name) for name in "ab")
    promote_release(Settings().deployment_repository, first, "staging")
    polymart("keys", "signing", str(tmp_path / "keys"))
    monkeypatch.setenv("POLYMART_SIGNING_KEY_FILE", str(tmp_path / "keys/release.key"))
    promote_release(Settings().deployment_repository, sign(second, signing_key(Settings())), "staging")
    return [first.release, second.release]


def test_a_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    told = polymart("keys", "signing", str(tmp_path))
    assert f"POLYMART_RELEASE_KEYS={tmp_path}/release.pub" in told
    assert "PRIVATE" not in told
    assert (tmp_path / "release.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingError, match=r"release\.key exists"):
        polymart("keys", "signing", str(tmp_path))


def test_production_waits_for_people_where_others_do_not(releases: list[str]) -> None:
    told = polymart("deploy", "promote", releases[1], "--environment", "production")
    assert f"waits in branch promote/production/{releases[1]} to be merged (not running yet)" in told
    assert "\nVerdict: pass\n" in told
    assert "it waited there before" in polymart("deploy", "promote", releases[1], "--environment", "production")
    assert "production has run no release yet" in polymart("deploy", "history", "--environment", "production")
    told = polymart("deploy", "promote", releases[1], "--environment", "local")
    assert told.startswith(f"local: nothing -> {releases[1]} (commit ")
    told = polymart("deploy", "promote", releases[0], "--environment", "local", "--merge-request")
    assert f"waits in branch promote/local/{releases[0]}" in told


def test_a_rollback_is_one_short_command(releases: list[str]) -> None:
    told = polymart("rollback", "--environment", "staging")
    assert told.startswith(f"staging: {releases[1]} -> {releases[0]} (commit ")
    told = polymart("rollback", "--environment", "staging", "--to", releases[1])
    assert f" -> {releases[1]} " in told
    assert polymart("deploy", "history", "--environment", "staging").count("rollback") == 2


def test_who_trusts_keys_rolls_back_to_signed_releases_only(
    releases: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYMART_RELEASE_KEYS", str(tmp_path / "keys/release.pub"))
    shown = polymart("deploy", "history", "--environment", "staging")
    assert shown.count("signed by ") == 1
    assert shown.count("unsigned") == 1
    with pytest.raises(ReleaseError, match=f"{releases[0]} must be signed by one of the keys"):
        polymart("rollback", "--environment", "staging")


def test_an_unsigned_release_is_not_served_to_who_trusts_keys(
    releases: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    polymart("rollback", "--environment", "staging")
    monkeypatch.setenv("POLYMART_RELEASE_KEYS", str(tmp_path / "keys/release.pub"))
    with pytest.raises(ReleaseError, match=f"{releases[0]} must be signed by one of the keys"):
        polymart("serve", "--environment", "staging")
