"""What `polymart doctor` looks at: one function a subject, each returning findings."""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from polymart.config import Settings
from polymart.data.archives import status

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
MIN_DISK_GB = 2.0
GOOD_DISK_GB = 10.0
GOOD_MEMORY_GB = 6.0

State = Literal["ok", "note", "missing"]


class Finding(NamedTuple):
    """One line of the report; ``missing`` means that something required is absent."""

    state: State
    what: str
    found: str
    remedy: str = ""


def examine(settings: Settings, *, gpu: bool = True) -> list[Finding]:
    """Every finding about this machine.

    Args:
        settings: where data and work folders lie.
        gpu: also load torch to look for a GPU (some seconds).
    """
    return [
        python(),
        *libraries(REQUIREMENTS),
        git(),
        disk("data folder", settings.data_dir),
        disk("work folder", settings.work_dir),
        cores(),
        memory(),
        *([accelerator()] if gpu else []),
        *data(settings),
    ]


def python() -> Finding:
    """Python must be the release that the lock was made for."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == (3, 11):
        return Finding("ok", "python", found)
    return Finding("missing", "python", found, "install Python 3.11 and run: make distclean setup")


def libraries(folder: Path) -> list[Finding]:
    """Installed versions against the pins in ``folder``; one line where all agree."""
    files = [folder / name for name in ("lock.txt", "torch.txt")]
    pins = {name: pin for file in files if file.is_file() for name, pin in read_pins(file).items()}
    if not pins:
        return [Finding("note", "libraries", "no lock to compare with", "install from a checkout with: make setup")]
    wrong = [f for name, pin in pins.items() if (f := _library(name, pin)) is not None]
    return wrong or [Finding("ok", "libraries", f"{len(pins)} as pinned")]


def read_pins(lock: Path) -> dict[str, str]:
    """Name and version of every ``name==version`` of a lock file whose marker holds here."""
    from packaging.requirements import Requirement

    lines = re.findall(r"^([A-Za-z0-9][^\s\\#]*==[^\\#\n]*)", lock.read_text(), flags=re.MULTILINE)
    pins = [Requirement(line.split(" --hash")[0].strip()) for line in lines]
    return {pin.name: str(pin.specifier)[2:] for pin in pins if pin.marker is None or pin.marker.evaluate()}


def _library(name: str, pin: str) -> Finding | None:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding("missing", f"library {name}", f"absent, pinned {pin}", "run: make setup")
    # 2.13.0+cpu is the same release as 2.13.0, built without CUDA.
    if found.split("+")[0] == pin:
        return None
    return Finding("note", f"library {name}", f"{found}, pinned {pin}", "run: make setup")


def git() -> Finding:
    """Promotion and rollback are commits."""
    found = shutil.which("git")
    return Finding("ok", "git", found) if found else Finding("missing", "git", "absent", "install git")


def disk(what: str, path: Path) -> Finding:
    """Free space where ``path`` lies or will lie."""
    place = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    free_gb = shutil.disk_usage(place).free / 1e9
    state: State = "missing" if free_gb < MIN_DISK_GB else "ok" if free_gb >= GOOD_DISK_GB else "note"
    remedy = "" if state == "ok" else f"free space, {GOOD_DISK_GB:.0f} GB are comfortable"
    return Finding(state, what, f"{path} ({free_gb:.1f} GB free)", remedy)


def cores() -> Finding:
    """Processor cores that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("ok", "cores", str(count))


def memory() -> Finding:
    """Physical memory."""
    total_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if total_gb >= GOOD_MEMORY_GB:
        return Finding("ok", "memory", f"{total_gb:.1f} GB")
    return Finding("note", "memory", f"{total_gb:.1f} GB", "lower the limits of the suite's tasks")


def accelerator() -> Finding:
    """A GPU is welcome, never required."""
    try:
        import torch
    except ImportError as error:
        return Finding("missing", "torch", str(error), "run: make setup")
    if torch.cuda.is_available():
        return Finding("ok", "GPU", f"{torch.cuda.get_device_name()} (torch {torch.__version__})")
    return Finding("ok", "GPU", f"none, training runs on the processor (torch {torch.__version__})")


def data(settings: Settings) -> list[Finding]:
    """Present datasets; an absent one is no fault, its tasks are fetched or left out."""
    return [
        Finding("ok", f"data {row.key}", f"{row.bytes / 1e6:.1f} MB")
        if row.present
        else Finding("note", f"data {row.key}", "absent", row.how_to_get)
        for row in status(settings)
    ]
