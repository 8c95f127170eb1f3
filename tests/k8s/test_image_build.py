"""The pipeline image, built without registry and network, from Debian alone; takes minutes and gigabytes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from polymart.cli.images import app

DEBIAN = "bookworm"
PACKAGES = "python3,python3-venv,git,ca-certificates,libgomp1"
MIRROR = "http://deb.debian.org/debian"
TOOLS = ("buildah", "debootstrap", "unshare")
missing = [tool for tool in TOOLS if shutil.which(tool) is None]

pytestmark = [
    pytest.mark.bench,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.geteuid() != 0, reason="building needs root"),
    pytest.mark.skipif(bool(missing), reason=f"Debian's packages of {', '.join(missing)} are not installed"),
]


def run(*command: str) -> str:
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("image")


@pytest.fixture(scope="module")
def buildah(folder) -> tuple[str, ...]:
    """The command with a store of its own."""
    (folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    return ("buildah", "--root", str(folder / "store"), "--runroot", str(folder / "run"), "--storage-driver", "vfs")


@pytest.fixture(scope="module")
def image(folder, buildah) -> str:
    policy = ("--signature-policy", str(folder / "policy.json"))
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, str(folder / "base"), MIRROR)
    scratch = run(*buildah, "from", "scratch")
    run(*buildah, "add", "--quiet", scratch, str(folder / "base"), "/")
    run(*buildah, "commit", "--quiet", *policy, scratch, "localhost/base:1")
    done = CliRunner().invoke(app, ["context", "jobs", str(folder / "context")])
    assert done.exit_code == 0, done.exception
    arguments = ("--build-arg", "BASE=localhost/base:1", "--build-arg", "COMMIT=c0ffee", "--pull-never", *policy)
    # chroot isolation takes the network of its caller: here one without a way out
    command = (*buildah, "bud", "--isolation", "chroot", *arguments, "--tag", "localhost/polymart-jobs:1")
    run("unshare", "--net", *command, str(folder / "context"))
    return "localhost/polymart-jobs:1"


def test_the_image_runs_as_nobody_special_without_a_network(image, buildah, folder):
    policy = ("--signature-policy", str(folder / "policy.json"))
    container = run(*buildah, "from", "--pull-never", *policy, image)

    def inside(*command: str) -> str:
        return run("unshare", "--net", *buildah, "run", "--isolation", "chroot", container, "--", *command)

    assert inside("id", "-u") == "1034"
    for command in (["polymart", "--help"], ["mlflow", "--version"], ["feast", "version"], ["git", "--version"]):
        assert inside(*command)
    assert "No module named pip" in inside("sh", "-c", "python -m pip --version 2>&1 || true")
    assert inside("sh", "-c", "touch /opt/polymart/x 2>/dev/null || echo refused") == "refused"


def test_the_image_says_what_it_is(image, buildah):
    told = json.loads(run(*buildah, "inspect", "--type", "image", image))["OCIv1"]["config"]
    assert told["User"] == "1034:1034"
    assert told["Labels"]["org.opencontainers.image.revision"] == "c0ffee"
    assert told["Cmd"] == ["polymart", "--help"]
