"""`data`, `doctor` and `schema` through Typer's runner, on real archives and real settings."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from polymart.cli import checks
from polymart.cli.main import build_app
from polymart.config import Settings, Suite
from polymart.data.catalogue import catalogue
from polymart.data.extra import EXTRAS
from polymart.data.needs import needs_of
from polymart.errors import ArchiveError

ROOT = Path(__file__).parents[2]
run = CliRunner().invoke


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYMART_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("POLYMART_EXTRA_DATA", raising=False)


def test_the_suite_schema_accepts_the_shipped_suite_and_explains_every_key():
    schema = json.loads(run(build_app(), ["schema", "suite"]).stdout)
    jsonschema.validate(json.loads((Suite.model_validate_json(json.dumps(quick()))).to_json()), schema)
    assert schema["$defs"]["Task"]["properties"]["cluster"]["description"].startswith("Column whose values")
    broken = quick() | {"sede": 3}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_the_settings_schema_has_every_setting():
    schema = json.loads(run(build_app(), ["schema", "settings"]).stdout)
    assert set(schema["properties"]) == set(Settings.model_fields)
    assert all("description" in field for field in schema["properties"].values())


def quick() -> dict:
    return json.loads(json.dumps(yaml.safe_load((ROOT / "suites/quick.yaml").read_text()), default=str))


def test_the_quick_suite_needs_these_archives():
    needs = needs_of(Suite.model_validate_json(json.dumps(quick())))
    assert needs.archives == ["amazon_graded", "completejourney", "minilm"]
    assert needs.extras == ["banking77"]


def test_an_unknown_encoder_is_refused():
    suite = Suite.model_validate_json(json.dumps(quick() | {"encoder": {"dataset": "bigger"}}))
    with pytest.raises(ArchiveError, match="bigger"):
        needs_of(suite)


def test_a_folder_as_tuned_suite_is_refused_before_the_search(tmp_path: Path):
    done = run(build_app(), ["tune", "suites/quick.yaml", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "'--out'" in done.output


def test_list_shows_every_key_and_how_to_get_it():
    shown = run(build_app(), ["data", "list"]).stdout
    assert all(key in shown for key in (*catalogue(), *EXTRAS))
    assert "real-redated" in shown


def test_fetch_wants_either_keys_or_a_suite():
    for args in ([], ["minilm", "--suite", "suites/quick.yaml"]):
        done = run(build_app(), ["data", "fetch", *args])
        assert done.exit_code == 2
        assert "either keys or --suite" in done.stderr


def test_a_present_suite_is_fetched_without_a_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    for key in ("amazon_graded", "completejourney", "minilm"):
        archive = catalogue()[key]
        folder = tmp_path / "data" / "archives" / f"{key}-{archive.sha256[:12]}"
        folder.mkdir(parents=True)
        (folder / ".complete.json").write_text(json.dumps({"patterns": archive.members}))
    done = run(build_app(), ["data", "fetch", "--suite", str(ROOT / "suites/quick.yaml")])
    assert done.exit_code == 0
    assert "banking77 is absent, its tasks will be left out" in done.stderr


def test_doctor_reports_every_subject_and_absent_data_is_no_fault():
    done = run(build_app(), ["doctor", "--quick"])
    assert done.exit_code == 0, done.stdout
    subjects = ("python", "librar", "git", "data folder", "work folder", "cores", "memory")
    assert [subject for subject in subjects if subject not in done.stdout] == []
    assert "polymart data fetch minilm" in done.stdout


def test_doctor_ends_with_1_when_something_required_is_missing(monkeypatch):
    monkeypatch.setenv("PATH", "")
    done = run(build_app(), ["doctor", "--quick"])
    assert done.exit_code == 1
    assert "install git" in done.stdout


def test_pins_are_compared_with_what_is_installed(tmp_path: Path):
    (tmp_path / "lock.txt").write_text(
        "pydantic==0.1 \\\n    --hash=sha256:00\nno-such-library==1.0 \\\n    --hash=sha256:00\n"
        "only-elsewhere==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
    )
    found = {finding.what: finding for finding in checks.libraries(tmp_path)}
    assert found.keys() == {"library pydantic", "library no-such-library"}
    assert found["library pydantic"].state == "note"
    assert found["library no-such-library"].state == "missing"


def test_a_cpu_build_of_torch_satisfies_its_pin(tmp_path: Path):
    from importlib.metadata import version

    (tmp_path / "torch.txt").write_text(f"torch=={version('torch').split('+')[0]} \\\n    --hash=sha256:00\n")
    assert [finding.state for finding in checks.libraries(tmp_path)] == ["ok"]


def test_a_full_disk_is_missing_space(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1e9}))
    assert checks.disk("data folder", tmp_path / "not" / "yet").state == "missing"
