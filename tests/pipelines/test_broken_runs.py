"""What a user sees when a run cannot go well: one clear error, no traceback, nothing half-done taken for whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from fixtures.machine import GENEROUS, environment, make_machine, refused_suite, small_suite

from polymart.config import Settings
from polymart.data.archives import locate

pytestmark = pytest.mark.long
POLYMART = [sys.executable, "-m", "polymart.cli.main"]


@pytest.fixture
def machine(tmp_path: Path) -> Settings:
    return make_machine(tmp_path)


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(small_suite("small", margin=GENEROUS).model_dump(mode="json")))
    return path


def start(arguments: list[str], settings: Settings, **more: str) -> subprocess.Popen[str]:
    variables = os.environ | environment(settings) | {"CI": "true"} | more
    return subprocess.Popen(
        [*POLYMART, *arguments], env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def run(arguments: list[str], settings: Settings, **more: str) -> tuple[int, str]:
    process = start(arguments, settings, **more)
    output, _ = process.communicate(timeout=240)
    assert "Traceback" not in output
    return process.returncode, output


def test_a_malformed_suite_names_every_wrong_key(machine: Settings, tmp_path: Path) -> None:
    content = small_suite("small", margin=0).model_dump(mode="json")
    content["tasks"][0] |= {"kind": "clustering", "colour": "red"}
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(content))
    status, output = run(["run", str(path)], machine)
    assert status == 2
    assert "tasks.0.kind" in output
    assert "'clustering'" in output
    assert "tasks.0.colour" in output
    assert "remedy:" in output


def test_an_archive_that_cannot_be_had_stops_the_run_with_its_name(tmp_path: Path, suite_file: Path) -> None:
    settings = Settings(data_dir=tmp_path / "empty", work_dir=tmp_path / "work", extra_data=tmp_path / "none")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    status, output = run(["data", "fetch", "completejourney"], settings, **offline)
    assert status == 2
    assert "completejourney" in output
    assert "remedy:" in output
    assert not list((tmp_path / "empty").rglob("*.parquet"))


def test_a_broken_table_stops_the_run_with_rule_count_and_rows(machine: Settings, suite_file: Path) -> None:
    raw = locate("completejourney", machine) / "transactions.parquet"
    frame = pd.read_parquet(raw)
    frame.loc[frame.index[:5], "household_id"] = -7
    frame.to_parquet(raw)
    status, output = run(["run", str(suite_file)], machine)
    assert status == 2
    assert "step validate_tables failed" in output
    assert "household_id" in output
    assert "-7" in output
    assert "train_suite" not in output


def test_a_work_folder_that_cannot_be_written_is_named(machine: Settings, suite_file: Path, tmp_path: Path) -> None:
    (tmp_path / "work").write_text("in the way")
    status, output = run(["run", str(suite_file)], machine)
    assert status == 2
    assert str(tmp_path / "work") in output
    assert "POLYMART_WORK_DIR" in output


def test_an_interrupted_run_says_so_and_the_next_one_continues_to_its_shut_gate(
    machine: Settings, suite_file: Path
) -> None:
    suite_file.write_text(yaml.safe_dump(refused_suite("small").model_dump(mode="json")))
    process = start(["run", str(suite_file)], machine)
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith("retrieve_features: started"):
            os.killpg(process.pid, signal.SIGINT)
            break
    output = "".join(seen) + process.communicate(timeout=60)[0]
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "same command" in output
    status, output = run(["run", str(suite_file), "--no-monitor"], machine)
    assert status == 1, output
    assert "prepare_tables: unchanged, reused" in output
    assert "retrieve_features: done" in output
    assert "Not released" in output
    assert "package_bento" not in output
