"""API keys: scopes, rates, rotation, and what happens without keys."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import limits.storage.memory
import pytest
from guarded import PATHS, PREDICT, application, bearer, client, keys_for
from hypothesis import given, settings
from hypothesis import strategies as st

from polymart.errors import ReleaseError, SettingError
from serving.guard import verify_release
from serving.guard.keys import SCOPES, KeyFile, new_key, read_keys, write_keys
from serving.guard.rates import Rates
from serving.guard.settings import guard_settings
from serving.guard.watched import WatchedFile

SUBSETS = list(chain.from_iterable(combinations(SCOPES, size) for size in range(1, len(SCOPES) + 1)))


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "keys.json"
    monkeypatch.setenv("POLYMART_API_KEYS", str(path))
    return path


def test_a_key_opens_exactly_the_paths_of_its_scopes(key_file: Path) -> None:
    keys = dict(zip(SUBSETS, keys_for(key_file, *SUBSETS), strict=True))
    with client() as shop:
        for path, needed in PATHS.items():
            for scopes, key in keys.items():
                allowed = needed is None or needed in scopes
                response = shop.get(path, headers=bearer(key)) if path != "/search" else None
                if response is not None:
                    assert response.status_code == (200 if allowed else 403), (path, scopes)


def test_without_a_key_only_open_paths_answer_and_a_path_nobody_thought_of_does_not(key_file: Path) -> None:
    keys_for(key_file)
    with client() as shop:
        for path, needed in PATHS.items():
            response = shop.get(path)
            assert response.status_code == (200 if needed is None else 401)
            if needed:
                assert response.headers["www-authenticate"] == "Bearer"
                assert response.json()["error"] == "no key was sent"
        assert shop.get("/secret").status_code == 404


def test_a_key_may_come_in_either_header(key_file: Path) -> None:
    (key,) = keys_for(key_file)
    with client() as shop:
        for headers in (bearer(key), {"authorization": f"bearer  {key}"}, {"x-api-key": key}):
            assert shop.get("/demand", headers=headers).status_code == 200
        for headers in ({"authorization": f"Basic {key}"}, {"authorization": key}, bearer(""), {"x-api-key": b"\xfc"}):
            assert shop.get("/demand", headers=headers).status_code == 401


KEY, TEXT = new_key("one", ("predict",))


@given(st.data())
def test_a_key_with_any_character_changed_is_foreign(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TEXT) - 1))
    other = data.draw(st.characters().filter(lambda c: c != TEXT[at]))
    assert KeyFile(keys=(KEY,)).owner(TEXT) == KEY
    assert KeyFile(keys=(KEY,)).owner(TEXT[:at] + other + TEXT[at + 1 :]) is None


@given(st.text(max_size=80))
def test_no_text_is_a_key(presented: str) -> None:
    assert KeyFile(keys=(KEY,)).owner(presented) is None


def test_the_file_holds_no_key_and_equal_secrets_would_look_different(key_file: Path) -> None:
    (text,) = keys_for(key_file)
    secret = text.split("_", 2)[2]
    assert secret not in key_file.read_text()
    again = KEY.model_copy(update={"salt": "0" * 32})
    assert not again.opens_with(TEXT.split("_", 2)[2])  # the salt is part of the hash


def test_an_expired_key_is_refused(key_file: Path) -> None:
    key, text = new_key("old", SCOPES, days=1)
    write_keys(key_file, KeyFile(keys=(key.model_copy(update={"expires": datetime.now(UTC) - timedelta(seconds=1)}),)))
    with client() as shop:
        assert shop.get("/demand", headers=bearer(text)).status_code == 401
        write_keys(key_file, KeyFile(keys=(key,)))
        assert shop.get("/demand", headers=bearer(text)).status_code == 200


def test_keys_are_rotated_without_a_restart_and_a_broken_file_shuts_nobody_out(
    key_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (old,) = keys_for(key_file)
    with client() as shop:
        status = lambda key: shop.get("/demand", headers=bearer(key)).status_code  # noqa: E731
        both, (new, new_text) = read_keys(key_file), new_key("new", SCOPES)
        write_keys(key_file, KeyFile(keys=(*both.keys, new)))
        assert (status(old), status(new_text)) == (200, 200)
        write_keys(key_file, read_keys(key_file).without(both.keys[0].id))
        assert (status(old), status(new_text)) == (401, 200)
        key_file.write_text("{")
        assert (status(old), status(new_text)) == (401, 200)
        assert status(new_text) == 200
        assert caplog.text.count("what it held before stays in force") == 1
        key_file.unlink()
        assert status(new_text) == 200


def test_a_watched_file_is_read_only_when_it_changes(tmp_path: Path) -> None:
    path, reads = tmp_path / "file", []
    path.write_text("a")
    watched = WatchedFile(path, lambda p: reads.append(p) or p.read_text())
    assert [watched.value() for _ in range(3)] == ["a"] * 3
    assert len(reads) == 1
    os.replace(_written(tmp_path / "other", "b"), path)
    assert [watched.value() for _ in range(3)] == ["b"] * 3
    assert len(reads) == 2


@pytest.mark.parametrize("content", [
    None, "", "{", "[]", '{"version": 2, "keys": []}', '{"keys": [{"id": "x"}]}', '{"keys": [], "extra": 1}',
])  # fmt: skip
def test_a_worker_does_not_start_with_a_broken_file_of_keys(key_file: Path, content: str | None) -> None:
    if content is not None:
        key_file.write_text(content)
    assert _startup(application())["type"] == "lifespan.startup.failed"


def test_two_keys_with_one_id_are_refused(key_file: Path) -> None:
    write_keys(key_file, KeyFile(keys=(KEY,)))
    document = json.loads(key_file.read_text())
    key_file.write_text(json.dumps(document | {"keys": document["keys"] * 2}))
    with pytest.raises(SettingError, match="two keys have the same id"):
        read_keys(key_file)


@pytest.mark.parametrize(("name", "value", "said"), [
    ("POLYMART_TIMEOUT_S", "0", "POLYMART_TIMEOUT_S"),
    ("POLYMART_MAX_IN_FLIGHT", "many", "POLYMART_MAX_IN_FLIGHT"),
    ("POLYMART_JWT_KEYS", "keys.json", "POLYMART_JWT_ISSUER"),
])  # fmt: skip
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=said):
        guard_settings()
    assert said in _startup(application())["message"]


@pytest.mark.parametrize(("address", "status"), [
    ("http://127.0.0.1", 200), ("http://[::1]", 200), ("http://10.1.2.3", 403), ("http://testserver", 403),
])  # fmt: skip
def test_without_keys_only_this_machine_is_answered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str, status: int
) -> None:
    monkeypatch.delenv("POLYMART_ALLOW_OPEN")
    with client(address) as shop:
        for _ in range(3):
            assert shop.get("/demand").status_code == status
        assert shop.get("/readyz").status_code == 200
    assert caplog.text.count("no keys are configured: the service answers callers on this machine only") == 1


def test_without_keys_everybody_is_answered_where_that_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with client("http://10.1.2.3") as shop:
        assert shop.get("/demand").status_code == 200
    assert "the service answers everybody" in caplog.text


def test_each_key_has_a_rate_of_its_own_and_hears_when_to_come_back(key_file: Path) -> None:
    one, other = keys_for(key_file, SCOPES, SCOPES, requests_per_minute=5)
    with client() as shop:
        statuses = [shop.get(path, headers=bearer(one)).status_code for path in PREDICT[2:] + PREDICT[2:]]
        assert statuses == [200] * 5 + [429] * 5
        refused = shop.get("/demand", headers=bearer(one))
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert shop.get("/demand", headers=bearer(other)).status_code == 200
        assert shop.get("/readyz", headers=bearer(one)).status_code == 200


@settings(max_examples=60)
@given(limit=st.integers(1, 5), gaps=st.lists(st.sampled_from([0.0, 0.5, 7.0, 19.0, 40.0, 61.0]), max_size=40))
def test_no_minute_holds_more_requests_than_the_rate(limit: int, gaps: list[float]) -> None:
    clock = [1_000_000.0]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(limits.storage.memory.time, "time", lambda: clock[0])
        rates, passed = Rates(), []
        for gap in gaps:
            clock[0] += gap
            recent = [at for at in passed if at >= clock[0] - 60]
            wait_s = rates.wait_s("one", limit)
            assert (wait_s is None) == (len(recent) < limit)
            if wait_s is None:
                passed.append(clock[0])
            else:
                assert wait_s == pytest.approx(recent[0] + 60 - clock[0], abs=1)


def test_another_checkpoint_than_the_releases_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    verify_release("sha256:1")
    monkeypatch.setenv("POLYMART_CHECKPOINT_DIGEST", "sha256:1")
    verify_release("sha256:1")
    with pytest.raises(ReleaseError, match="the release has checkpoint sha256:1, found sha256:2"):
        verify_release("sha256:2")


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _startup(app: Any) -> dict[str, Any]:
    """What the application says to a server that starts it."""
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(app({"type": "lifespan", "state": {}}, receive, send))
    return said[0]
