"""The real promtool, amtool and Alertmanager, fetched as pinned Debian packages."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from polymart.config import Settings
from polymart.data.archives import fetch, is_within_reach
from polymart.errors import ArchiveError
from serving.server import free_port

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "monitoring/alerts"
SECRETS = "/etc/alertmanager/secrets"
_TEMPLATES = b"/usr/share/prometheus/alertmanager"
"""Where Debian's build looks for its own templates; it is told to look in its working folder instead."""


def tools(key: str) -> Path:
    """The folder of an archive of tools; the test is skipped where this machine cannot have it."""
    settings = Settings()
    if not is_within_reach(key, settings):
        pytest.skip(f"{key} is fetched by apt-get, which this machine lacks")
    try:
        return fetch(key, settings)
    except ArchiveError as error:
        pytest.skip(str(error))


def rules() -> list[dict[str, Any]]:
    """Every alert rule."""
    groups = yaml.safe_load((ALERTS / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def placed_config(folder: Path, **changes: Any) -> Path:
    """`alertmanager.yaml` as if mounted in ``folder``, with made-up secrets; ``changes`` are those of the route."""
    text = (ALERTS / "alertmanager.yaml").read_text()
    text = text.replace("/etc/alertmanager/polymart.tmpl", str(ALERTS / "polymart.tmpl"))
    config = yaml.safe_load(text.replace(SECRETS, str(folder)))
    config["route"] |= changes
    path = folder / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def deliver_to(config: Path, url: str) -> None:
    """Lead every receiver to ``url``: by its secret file where it has one, by its address otherwise."""
    for team in ("shop", "payments"):
        (config.parent / f"slack-{team}-url").write_text(f"{url}/slack/{team}")
    (config.parent / "pagerduty-routing-key").write_text("routing-key-of-the-test")
    (config.parent / "journal-token").write_text("token-of-the-test")
    parsed = yaml.safe_load(config.read_text())
    parsed["global"] = {"pagerduty_url": f"{url}/pagerduty"}
    parsed["receivers"][-1]["webhook_configs"][0]["url"] = f"{url}/journal"
    config.write_text(yaml.safe_dump(parsed))


@contextmanager
def alertmanager(folder: Path, config: Path) -> Iterator[str]:
    """The address of a running Alertmanager."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    home, program = tools("alertmanager"), folder / "alertmanager"
    here = b"./" * (len(_TEMPLATES) // 2)
    program.write_bytes((home / "prometheus-alertmanager").read_bytes().replace(_TEMPLATES, here))
    program.chmod(0o755)
    command = [
        *(program, f"--config.file={config}"),
        *(f"--storage.path={folder / 'store'}", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="),
    ]
    with _running(command, home, folder / "alertmanager.log", f"{url}/-/ready"):
        yield url


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """The address of a running Prometheus that scrapes ``target`` each second and judges by our rules."""
    url, home = f"http://127.0.0.1:{(port := free_port())}", tools("prometheus")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS / "rules.yaml")],
        "scrape_configs": [{"job_name": "polymart-drift", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    command = [
        *(home / "prometheus", f"--config.file={folder / 'prometheus.yaml'}"),
        *(f"--storage.tsdb.path={folder / 'series'}", f"--web.listen-address=127.0.0.1:{port}"),
    ]
    with _running(command, folder, folder / "prometheus.log", f"{url}/-/ready"):
        yield url


@contextmanager
def _running(command: list[str | Path], folder: Path, log: Path, ready: str) -> Iterator[None]:
    """A server that answers at ``ready``; stopped when the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 60
            while not _answers(ready):
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except OSError:
        return False


def post(url: str, content: Any) -> Any:
    """What a POST of JSON is answered."""
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")
