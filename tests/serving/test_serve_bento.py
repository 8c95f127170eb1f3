"""`serve_bento`: a real server in the foreground that Ctrl-C ends in order."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pandas as pd
import pytest
from checkpoints import processes_of
from fixtures.registered import make_release, mood_suite

from polymart.errors import ReleaseError
from serving.packaging import BuiltBento
from serving.run import serve_bento
from serving.server import free_port

SCRIPT = """
import sys
from pathlib import Path
from serving.run import serve_bento
sys.exit(serve_bento(Path(sys.argv[1]), Path(sys.argv[2]), port=int(sys.argv[3])))
"""


def test_ctrl_c_ends_the_server_and_writes_the_prediction_log(
    built: tuple[Path, BuiltBento], feature_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bento, port, log = built[0], free_port(), tmp_path / "log"
    monkeypatch.setenv("POLYMART_PREDICTION_LOG", str(log))
    monkeypatch.setenv("POLYMART_PSEUDONYM_KEY", "k" * 32)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    server = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(bento), str(feature_store), str(port)], start_new_session=True
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            _wait(client)
            answer = client.post("/demand", json={"category_id": 1, "store_id": 31}).json()
            assert client.get("/livez").status_code == 200
            metrics = client.get("/metrics").text
        assert "polymart_prediction_log_dropped" in metrics
        assert "bentoml_service_request_total" in metrics
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
        assert processes_of(bento) == []
    finally:
        server.kill()
    rows = pd.concat(pd.read_parquet(path) for path in log.rglob("*.parquet"))
    assert rows["prediction_id"].tolist() == [answer["prediction_id"]]
    assert rows["score"].tolist() == pytest.approx([answer["quantiles"]["q50"]])


def test_a_folder_that_is_no_bento_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"is no bento: bento\.yaml is absent"):
        serve_bento(tmp_path, tmp_path)


def test_another_bento_than_was_released_is_refused(built: tuple[Path, BuiltBento], tmp_path: Path) -> None:
    bento = Path(shutil.copytree(built[0], tmp_path / "bento"))
    (bento / "src" / "serving" / "service.py").write_text("")
    release = make_release(mood_suite(), checkpoint="a").model_copy(update={"bento_digest": built[1].digest})
    with pytest.raises(ReleaseError, match=f"the release has a bento with digest {built[1].digest}, found sha256:"):
        serve_bento(bento, tmp_path, release)


def _wait(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if client.get("/readyz").status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail("not ready within 60 s")
