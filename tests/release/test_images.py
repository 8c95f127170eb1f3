"""What goes into an image: pinned with hashes, fetched beforehand, listed in CycloneDX that keeps its schema."""

from __future__ import annotations

import json
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from typer.testing import CliRunner

from polymart.cli.images import app
from polymart.errors import ReleaseError, SettingError
from polymart.release.images import locked, write_context
from polymart.release.sbom import Package, sbom

SCHEMA = JsonStrictValidator(SchemaVersion.V1_6)


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> Path:
    """A distribution that pip finds on this machine alone."""
    path = tmp_path / "index/basket-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("basket.py", "FULL = True\n")
        info = "basket-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: basket\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    return path


def lock(tmp_path: Path, digest: str) -> Path:
    path = tmp_path / "lock.txt"
    path.write_text(f"basket==1.0 \\\n    --hash=sha256:{digest}\nmilk==2.0 \\\n    --hash=sha256:{'0' * 64}\n")
    return path


@pytest.fixture
def bento(tmp_path) -> Path:
    (tmp_path / "bento").mkdir()
    (tmp_path / "bento/bento.yaml").write_text("name: polymart\n")
    return tmp_path / "bento"


def test_a_context_holds_every_file_with_its_hash(wheel, bento, tmp_path):
    digest = sha256(wheel.read_bytes()).hexdigest()
    out = tmp_path / "context"
    write_context("serving", ["basket==1.0"], [lock(tmp_path, digest)], out, version="c0ffee", bento=bento)
    assert (out / "requirements.txt").read_text() == f"basket==1.0 --hash=sha256:{digest}\n"
    assert (out / "wheels" / wheel.name).read_bytes() == wheel.read_bytes()
    assert (out / "bento/bento.yaml").is_file()
    assert "USER 1034:1034" in (out / "Dockerfile").read_text()
    listed = json.loads((out / "sbom.cdx.json").read_text())
    assert [c["hashes"] for c in listed["components"]] == [[{"alg": "SHA-256", "content": digest}]]


def test_other_bytes_than_the_locked_ones_are_refused(wheel, bento, tmp_path):
    with pytest.raises(ReleaseError, match=r"(?i)hash"):
        write_context(
            "serving", ["basket==1.0"], [lock(tmp_path, "1" * 64)], tmp_path / "context", version="", bento=bento
        )
    assert not (tmp_path / "context").exists()


@pytest.mark.parametrize("pin", ["basket==1.1", "eggs==1.0"])
def test_what_no_lock_file_pins_is_refused(pin, tmp_path):
    with pytest.raises(ReleaseError, match=f"{pin} must stand with its hash"):
        locked([pin], [lock(tmp_path, "0" * 64)])


def test_of_two_lock_files_the_later_counts(tmp_path):
    (tmp_path / "cpu.txt").write_text(f"milk==2.0+cpu --hash=sha256:{'2' * 64}\n")
    assert locked(["milk==2.0"], [lock(tmp_path, "0" * 64), tmp_path / "cpu.txt"]).startswith("milk==2.0+cpu")


@pytest.mark.parametrize("image", ["jobs", "serving"])
def test_the_list_of_an_image_keeps_the_schema(image):
    done = CliRunner().invoke(app, ["sbom", image])
    assert done.exit_code == 0, done.exception
    assert SCHEMA.validate_str(done.stdout) is None
    listed = {component["name"] for component in json.loads(done.stdout)["components"]}
    assert {"torch", "bentoml", "feast"} <= listed
    assert ({"mlflow", "psycopg"} <= listed) == (image == "jobs")
    assert "pytest" not in listed


def test_the_schema_sees_a_wrong_list():
    text = sbom("polymart-jobs", "c0ffee", [Package("milk", "2.0", "0" * 64)])
    assert SCHEMA.validate_str(text) is None
    assert SCHEMA.validate_str(text.replace('"version": "2.0"', '"versions": "2.0"')) is not None


def test_a_bento_belongs_to_serving_alone(tmp_path):
    for arguments in (["context", "serving", str(tmp_path / "out")], ["context", "jobs", "out", "--bento", "b"]):
        assert isinstance(CliRunner().invoke(app, arguments).exception, SettingError)
