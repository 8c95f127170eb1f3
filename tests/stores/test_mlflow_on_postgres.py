"""MLflow's server on PostgreSQL and S3: a run is registered, promoted to champion, and fetched again whole."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
import servers
from fixtures.registered import VERSIONS, make_release, mood_suite, write_files
from fixtures.tiny_suite import tiny_checkpoint

from polymart.errors import ReleaseError
from polymart.evaluation.rivals import read_champion
from polymart.release.champion import fetch_champion, find_champion
from polymart.release.production import follow_with_registry
from polymart.release.promotion import promote_release, rollback_release
from polymart.tracking import read_version, register_run
from polymart.training.checkpoint import save_checkpoint, verify_checkpoint

SUITE = mood_suite()


def register(folder: Path, uri: str) -> tuple[str, str]:
    """Register a real checkpoint; returns its version and its digest."""
    files = write_files(folder, SUITE, checkpoint=folder.name)
    (files["checkpoint"] / "suite.json").unlink()
    files["checkpoint"].rmdir()
    save_checkpoint(tiny_checkpoint(SUITE), files["checkpoint"])
    digest = verify_checkpoint(files["checkpoint"])
    evaluation = json.loads(files["evaluation"].read_text())
    files["evaluation"].write_text(json.dumps(evaluation | {"checkpoint": digest}))
    return register_run(uri=uri, suite=SUITE, **files, tags=VERSIONS), digest


def test_register_champion_fetch(
    mlflow_server: str, postgres: int, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    repository, releases = str(tmp_path / "deployment.git"), []
    for name in "ab":
        version, digest = register(tmp_path / name, mlflow_server)
        made = make_release(SUITE, checkpoint=name, model_version=version)
        made = made.model_copy(update={"checkpoint_digest": digest, "locations": {"checkpoint": "s3://gone/away"}})
        made = made.model_copy(update={"release": f"tiny-{made.digest.removeprefix('sha256:')[:12]}"})
        releases.append(promote_release(repository, made, "production").release)
        assert follow_with_registry(repository, "production", mlflow_server) == ""
        assert "champion-production" in read_version(mlflow_server, version).aliases
    rollback_release(repository, "production")
    assert follow_with_registry(repository, "production", mlflow_server) == ""
    champion = find_champion(repository, "production", "sha256:" + "0" * 64)
    assert champion is not None
    assert champion.release == releases[0]
    assert read_version(mlflow_server, champion.model_version).aliases == ("champion", "champion-production")
    fetch_champion(champion, mlflow_server, tmp_path / "champion")
    found = read_champion(tmp_path / "champion")
    assert found is not None
    assert verify_checkpoint(found.checkpoint) == champion.checkpoint_digest

    with psycopg.connect(servers.postgres_address(postgres, "mlflow")) as connection:
        rows = connection.execute("SELECT version FROM model_versions WHERE name = 'polymart-tiny'").fetchall()
    assert sorted(row[0] for row in rows) == [1, 2]
    kept = servers.s3_client(s3).list_objects_v2(Bucket=servers.BUCKET)["Contents"]
    weights = [item["Key"] for item in kept if item["Key"].endswith(".safetensors")]
    assert weights
    for key in weights:
        servers.s3_client(s3).put_object(Bucket=servers.BUCKET, Key=key, Body=b"torn")
    with pytest.raises(ReleaseError, match="must have digest"):
        fetch_champion(champion, mlflow_server, tmp_path / "torn")
