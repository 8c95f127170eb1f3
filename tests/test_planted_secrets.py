"""Secrets are planted wherever a process may hold one; nothing that is written or said afterwards holds them."""

from __future__ import annotations

import base64
import logging
import subprocess
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from fixtures.overlays import K8S, OVERLAYS, kubectl
from fixtures.registered import make_registry, make_release, mood_suite, register
from typer.testing import CliRunner

from pipelines.compiling import compile_manifests, compile_pipeline
from polymart.cli.keys import app as keys_app
from polymart.config import Cluster, Settings
from polymart.errors import PolymartError
from polymart.release.manifests import render_text
from polymart.release.promotion import promote_release
from serving.log.prediction import log_from_environment

NAMES = (
    "GIT_ASKPASS_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "POLYMART_ONLINE_PASSWORD",
    "POLYMART_PSEUDONYM_KEY",
    "POLYMART_KFP_TOKEN",
)
SECRETS = {name: f"planted-{number}-{'0123456789abcdef' * 2}" for number, name in enumerate(NAMES)}


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)


def forms(secret: str) -> set[bytes]:
    """A secret as it may be written: plainly, in an address, in base64 at each of three offsets."""
    shifted = (base64.b64encode(b"x" * shift + secret.encode())[4:-4] for shift in range(3))
    return {secret.encode(), quote(secret, safe="").encode(), *shifted}


def leaks(*places: Path | str | bytes) -> list[str]:
    """``name in place`` for each secret that a folder, file or text holds."""
    texts: list[tuple[str, bytes]] = []
    for place in places:
        if isinstance(place, Path):
            files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
            assert files, f"{place} holds nothing to search"
            texts += [(str(file), file.read_bytes()) for file in files]
        else:
            texts.append(("text", place.encode() if isinstance(place, str) else place))
    return [
        f"{name} in {where}"
        for name, secret in SECRETS.items()
        for where, text in texts
        if any(form in text for form in forms(secret))
    ]


@pytest.mark.parametrize("name", SECRETS)
def test_the_search_finds_a_secret_in_every_form(name, tmp_path):
    secret = SECRETS[name]
    (tmp_path / "plain.txt").write_text(f"password={secret}\n")
    assert leaks(tmp_path) == [f"{name} in {tmp_path / 'plain.txt'}"]
    assert leaks(base64.b64encode(f"user:{secret}".encode())) == [f"{name} in text"]
    assert leaks("nothing") == []


def test_manifests_hold_none():
    for folder in (*OVERLAYS.values(), K8S / "overlays/staging-next", K8S / "training", K8S / "argocd"):
        assert leaks(render_text(folder, kubectl())) == []


def test_compiled_pipelines_hold_none(tmp_path):
    compile_pipeline("training", tmp_path / "training.yaml", cluster=Cluster())
    compile_manifests("monitoring", tmp_path / "monitoring.yaml", cluster=Cluster())
    assert leaks(tmp_path) == []


def test_registry_repository_and_logs_hold_none(tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    registry, repository = tmp_path / "registry", tmp_path / "deployment.git"
    registry.mkdir()
    suite = mood_suite()
    version = register(registry, make_registry(registry), suite, checkpoint="a")
    promote_release(str(repository), make_release(suite, checkpoint="a", model_version=version), "local")
    history = subprocess.run(["git", "-C", str(repository), "log", "--all", "--patch"], capture_output=True, check=True)
    assert b"polymart-release" in history.stdout, "the history was searched"
    said = "".join(capfd.readouterr())
    assert leaks(registry, history.stdout, caplog.text, said) == []


def test_an_error_of_git_does_not_quote_the_password(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    secret = SECRETS["GIT_ASKPASS_TOKEN"]
    with pytest.raises(PolymartError) as told:
        promote_release(f"http://me:{secret}@127.0.0.1:9/shop.git", make_release(mood_suite(), checkpoint="a"), "local")
    assert leaks(str(told.value), caplog.text) == []


def test_settings_do_not_show_what_they_hold(monkeypatch):
    monkeypatch.setenv("POLYMART_SIGNING_KEY", SECRETS["POLYMART_KFP_TOKEN"])
    settings = Settings()
    assert leaks(repr(settings), settings.model_dump_json()) == []


def test_the_prediction_log_holds_pseudonyms_only(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("POLYMART_PREDICTION_LOG", str(tmp_path / "log"))
    log = log_from_environment()
    assert log is not None
    log.add({"prediction_id": "a", "task": "mood", "household_id": 900, "checkpoint": "c", "variant": "main"})
    log.close()
    assert leaks(tmp_path / "log", caplog.text) == []


def test_a_file_of_keys_holds_hashes_only(tmp_path):
    done = CliRunner().invoke(
        keys_app, ["add", "shop-web", "--scope", "predict", "--file", str(tmp_path / "keys.json")]
    )
    assert done.exit_code == 0, done.exception
    shown = [word for word in done.stdout.split() if len(word) > 30]
    assert shown, "the key is shown once"
    assert not any(word in (tmp_path / "keys.json").read_text() for word in shown)


def test_an_unreachable_pipeline_server_is_told_without_the_token(tmp_path):
    from pipelines.client.server import Server

    (tmp_path / "token").write_text(SECRETS["POLYMART_KFP_TOKEN"])
    cluster = Cluster.model_validate({"access": {"method": "token_file", "file": str(tmp_path / "token")}})
    with pytest.raises((PolymartError, httpx.HTTPError)) as told:
        Server(cluster, host="http://127.0.0.1:9").check()
    assert leaks(str(told.value)) == []
