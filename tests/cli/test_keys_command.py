"""`polymart keys`: keys are made, shown without their secrets, and revoked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from polymart.cli.main import build_app
from polymart.errors import SettingError
from serving.guard.keys import read_keys

RUN = CliRunner()


def keys(*arguments: str) -> str:
    """What `polymart keys` prints."""
    return RUN.invoke(build_app(), ["keys", *arguments], catch_exceptions=False).stdout


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "made" / "keys.json"
    monkeypatch.setenv("POLYMART_API_KEYS", str(path))
    monkeypatch.setenv("COLUMNS", "200")
    return path


def test_a_key_is_made_shown_without_its_secret_and_revoked(file: Path) -> None:
    text = keys("add", "shop-web", "--scope", "events", "--scope", "predict", "--rate", "90", "--days", "7").strip()
    found = read_keys(file).owner(text)
    assert found is not None
    assert (found.name, found.scopes, found.requests_per_minute) == ("shop-web", ("predict", "events"), 90)
    assert found.expires is not None
    assert (found.expires - found.created).days == 7
    other = keys("add", "till", "--scope", "feedback").strip()
    shown = keys("list")
    assert "shop-web" in shown
    assert "never" in shown
    assert not any(one.split("_", 2)[2] in shown + file.read_text() for one in (text, other))
    assert keys("revoke", found.id) == f"key {found.id} is revoked\n"
    assert read_keys(file).owner(text) is None
    assert read_keys(file).owner(other) is not None


def test_a_foreign_scope_and_an_unknown_id_are_refused(file: Path) -> None:
    with pytest.raises(SettingError, match="found admin"):
        keys("add", "shop-web", "--scope", "predict", "--scope", "admin")
    assert not file.exists()
    keys("add", "shop-web", "--scope", "predict")
    with pytest.raises(SettingError, match="no key has the id 'ffff'"):
        keys("revoke", "ffff")
