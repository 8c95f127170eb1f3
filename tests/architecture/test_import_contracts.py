"""The contracts of import-linter hold, cover every module, and break when they should."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
MLFLOW_ROOM = "polymart/tracking/"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    return subprocess.run(
        [*command, "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200"},
    )


def test_the_contracts_hold():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_of_the_library_stands_under_the_first_contract():
    library = ROOT / "polymart"
    modules = {f"polymart.{p.stem}" for p in (*library.glob("*.py"), *(init.parent for init in library.glob("*/*.py")))}
    expected = modules - {"polymart.cli", "polymart.__init__"}
    assert set(LINTER["contracts"][0]["source_modules"]) == expected


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rooms' sources in a folder of their own, to be broken."""
    folder = tmp_path_factory.mktemp("rooms")
    for package in LINTER["root_packages"]:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("polymart/files.py", "import kfp", "The library knows no orchestrator"),
        ("polymart/data/__init__.py", "import feast", "The library knows no orchestrator"),
        ("polymart/model/__init__.py", "from serving import service", "The library knows no orchestrator"),
        ("polymart/release/__init__.py", "import polymart.cli.console", "The library knows no orchestrator"),
        ("monitoring/__init__.py", "import mlflow", "mlflow stands behind polymart.tracking"),
        ("polymart/cli/__init__.py", "import mlflow", "mlflow stands behind polymart.tracking"),
        ("serving/__init__.py", "import openvino", "openvino stands behind serving.encoding.silent"),
        ("components/__init__.py", "import pipelines", "Pipelines are made of components"),
        ("serving/__init__.py", "import components", "Pipelines are made of components"),
        ("monitoring/__init__.py", "import kfp", "Serving and monitoring know no orchestrator"),
        ("pipelines/__init__.py", "import polymart.cli.console", "No room below imports the command line"),
        ("feature_repo/__init__.py", "import polymart.config", "The feature repository imports no other room"),
    ],
)
def test_each_contract_breaks_when_it_should(copy, module, statement, contract):
    file = copy / module
    before = file.read_text()
    file.write_text(f"{before}\n{statement}\n")
    try:
        done = lint(copy)
    finally:
        file.write_text(before)
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert done.returncode == 1
    assert any(line.startswith(contract) for line in broken), done.stdout + done.stderr


def test_the_copy_itself_breaks_nothing(copy):
    assert lint(copy).returncode == 0


def test_only_the_tracking_room_names_mlflow():
    sources = [path for package in LINTER["root_packages"] for path in (ROOT / package).rglob("*.py")]
    named = {p.relative_to(ROOT).as_posix() for p in sources if re.search(r"(import|from) mlflow", p.read_text())}
    assert named
    assert all(name.startswith(MLFLOW_ROOM) for name in named)
