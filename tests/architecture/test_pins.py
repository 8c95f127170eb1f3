"""The locks agree with each other and name no place of this or any other machine."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from polymart.cli.checks import read_pins

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_pin_has_a_hash_and_no_place(lock):
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]
    text = "\n".join(lines)
    assert "://" not in text
    assert " @ " not in text
    pins = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert pins
    assert [pin.split()[0] for pin in pins if not re.search(r"--hash=sha256:[0-9a-f]{64}", pin)] == []


def test_both_builds_of_torch_are_of_one_release():
    full, cpu = (read_pins(ROOT / "requirements" / name)["torch"] for name in ("torch.txt", "torch-cpu.txt"))
    assert cpu == f"{full}+cpu"


def test_the_lock_satisfies_the_project():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = {
        canonicalize_name(n): v
        for name in ("lock.txt", "torch.txt")
        for n, v in read_pins(ROOT / "requirements" / name).items()
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"]["dev"])]
    found = {str(want): pins.get(canonicalize_name(want.name), "none") for want in wanted}
    assert [name for name, pin in found.items() if pin == "none"] == []
    assert [name for name, pin in found.items() if not Requirement(name).specifier.contains(pin)] == []


def test_torch_and_what_it_alone_needs_stand_apart():
    lock = read_pins(ROOT / "requirements" / "lock.txt")
    cuda = read_pins(ROOT / "requirements" / "torch-cuda.txt")
    assert lock.keys().isdisjoint(cuda)
    assert "torch" not in lock
    assert "nvidia-ml-py" in lock, "a dependency of the server, not of torch"
