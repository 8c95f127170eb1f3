"""How the server is told who asks: token file, service account, client credentials; nothing secret is ever shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stand_ins.token_server import TokenServer
from typer.testing import CliRunner

from pipelines.client import Refused, Server, find_runs, submit
from polymart.cli.main import build_app
from polymart.config import ClientCredentials, Cluster, ServiceAccount, TokenFile
from polymart.errors import SettingError

SECRET = "planted-secret-4711"


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    return path


def credentials(url, file) -> Cluster:
    method = "client_credentials"
    return Cluster(
        access=ClientCredentials(method=method, token_url=url, client_id="polymart", secret_file=str(file), scope="kfp")
    )


@pytest.mark.parametrize("kind", [TokenFile, ServiceAccount])
def test_a_token_out_of_a_file_is_sent_as_bearer_everywhere(server, order, secret_file, kind):
    method = {TokenFile: "token_file", ServiceAccount: "service_account"}[kind]
    server.token = SECRET
    client = Server(Cluster(access=kind(method=method, file=str(secret_file))), host=server.host)
    assert submit(client, order())[1]
    assert {authorization for _, _, authorization in server.requests} == {f"Bearer {SECRET}"}


def test_no_secret_reaches_a_run_a_plan_or_the_output(server, secret_file, tmp_path, monkeypatch):
    settings = tmp_path / "cluster.yaml"
    storage, access = (
        "{name: shop-storage, keys: [AWS_SECRET_ACCESS_KEY]}",
        f"{{method: token_file, file: {secret_file}}}",
    )
    settings.write_text(f"access: {access}\nsecrets: {{storage: {storage}}}\n")
    for name in ("AWS_SECRET_ACCESS_KEY", "GIT_ASKPASS_TOKEN", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, SECRET)
    server.token = SECRET
    told = ["submit", "training", "--suite", "suites/quick.yaml", "--host", server.host, "--cluster", str(settings)]
    monkeypatch.setattr("pipelines.client.runs.time.sleep", lambda _seconds: None)
    monkeypatch.chdir(Path(__file__).parents[2])
    shown = [CliRunner().invoke(build_app(), told + more).output for more in ([], ["--dry-run"], ["--wait"])]
    assert "quick-training-" in shown[0]
    assert SECRET not in "".join(shown)
    assert SECRET not in json.dumps([server.runs, server.experiments])
    assert "shop-storage" in json.dumps(server.runs)


def test_a_fetched_token_is_kept(server, order, secret_file):
    with TokenServer(SECRET) as provider:
        server.token = "token-1"
        client = Server(credentials(provider.url, secret_file), host=server.host)
        submit(client, order())
        find_runs(client, "")
    assert provider.num_given == 1
    assert provider.forms[0] == {"grant_type": ["client_credentials"], "scope": ["kfp"]}


def test_a_fetched_token_is_renewed_before_its_end(server, secret_file, monkeypatch):
    with TokenServer(SECRET, expires_in=100) as provider:
        client = Server(credentials(provider.url, secret_file), host=server.host)
        now = [1000.0]
        monkeypatch.setattr("pipelines.client.tokens.time.monotonic", lambda: now[0])
        find_runs(client, "")
        now[0] += 39
        find_runs(client, "")
        assert provider.num_given == 1
        now[0] += 2
        find_runs(client, "")
    assert provider.num_given == 2


def test_a_token_that_expired_early_is_fetched_anew_and_nothing_happens_twice(server, order, secret_file):
    with TokenServer(SECRET) as provider:
        client = Server(credentials(provider.url, secret_file), host=server.host)
        find_runs(client, "")
        server.token = "token-2"
        made, new = submit(client, order())
        assert new
        assert list(server.runs) == [made.run_id]
        server.token = "never given"
        with pytest.raises(Refused, match="status 401"):
            find_runs(client, "")


@pytest.mark.parametrize("content", ["wrong-secret-0815", "", None])
def test_a_secret_that_is_wrong_empty_or_absent_is_told_and_never_shown(server, tmp_path, content):
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content)
    told = {"wrong-secret-0815": "gives client polymart no token: .*401", "": "is empty", None: "cannot be read"}
    with (
        TokenServer(SECRET) as provider,
        pytest.raises(SettingError, match=told[content]) as error,
    ):
        find_runs(Server(credentials(provider.url, file), host=server.host), "")
    assert "0815" not in f"{error.value!r} {error.value}"


def test_a_missing_or_empty_token_file_is_told(server, tmp_path):
    def client() -> Server:
        access = TokenFile(method="token_file", file=str(tmp_path / "nowhere"))
        return Server(Cluster(access=access), host=server.host)

    with pytest.raises(SettingError, match="nowhere cannot be read"):
        find_runs(client(), "")
    (tmp_path / "nowhere").write_text(" \n")
    with pytest.raises(SettingError, match="is empty"):
        find_runs(client(), "")
