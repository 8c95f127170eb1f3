"""Package the service with a checkpoint as a bento.

The bento's source folder holds the packages ``serving``, ``feature_repo`` and ``polymart`` and, beside them, the
checkpoint and what is made from it (`serving.encoding.packaged`, `serving.catalogue`), so that a server starts in
seconds: it needs nothing of this repository and no model store. BentoML runs in a process of its own with a
home of its own, so that neither its global state nor ``~/bentoml`` is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml

from polymart.errors import ReleaseError
from polymart.files import atomic_folder, digest_file, digest_text, digest_tree
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import verify_checkpoint
from serving.catalogue import build_catalogue, catalogue_folder, recommends_products
from serving.encoding.packaged import encoder_folder, package_encoder
from serving.requirements import pinned_requirements

NAME = "polymart"
PACKAGES = ("serving", "feature_repo", "polymart")
SOURCE_SUFFIXES = (".py", ".yaml", ".toml", ".j2", ".html", ".css", ".js")
BENTO_YAML = "bento.yaml"
TIMEOUT_S = 300
TAIL = 15
"""Lines of a failed build that the error shows."""


@dataclass(frozen=True)
class BuiltBento:
    """A bento on disk."""

    tag: str
    """``polymart:<version>``; the version follows from the content, so equal inputs give an equal tag."""
    digest: str
    """See `bento_digest`."""


def build_bento(checkpoint: Path, out: Path) -> BuiltBento:
    """Build the bento that serves ``checkpoint`` and put its folder at ``out``, replaced whole.

    Raises:
        CheckpointError: the checkpoint is torn or does not match its manifest.
        ReleaseError: the build failed; holds its last lines.
        StorageError: the disk refuses.
    """
    verify_checkpoint(checkpoint)
    with tempfile.TemporaryDirectory(prefix="polymart-bento-") as scratch:
        context, home = Path(scratch, "context"), Path(scratch, "home")
        _stage(checkpoint, context)
        version = digest_tree(context).removeprefix("sha256:")[:16]
        _run_build(context, home, version)
        # Copied, not `bentoml export`: packing 87 MB takes that over a minute, and pods read a folder anyway.
        with atomic_folder(out) as temporary:
            shutil.copytree(home / "bentos" / NAME / version, temporary, dirs_exist_ok=True)
    return BuiltBento(f"{NAME}:{version}", bento_digest(out))


def bento_digest(bento: Path) -> str:
    """``sha256:<hex>`` over names and bytes of a bento's files, its creation time left out.

    Raises:
        ReleaseError: the folder is no bento.
    """
    if not (bento / BENTO_YAML).is_file():
        raise ReleaseError(f"{bento} is no bento: {BENTO_YAML} is absent", remedy="build it with `build_bento`")
    lines = []
    for path in sorted(p for p in bento.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        name = path.relative_to(bento).as_posix()
        lines.append(f"{name} {_timeless(path) if name == BENTO_YAML else digest_file(path)}")
    return digest_text("\n".join(lines))


def packaged_checkpoint(bento: Path) -> Path:
    """The checkpoint folder inside a bento."""
    return bento / "src" / "checkpoint"


def _timeless(bento_yaml: Path) -> str:
    lines = bento_yaml.read_text().splitlines()
    return digest_text("\n".join(line for line in lines if not line.startswith("creation_time:")))


def _stage(checkpoint: Path, context: Path) -> None:
    """Lay out the build context: source only, the checkpoint, what is made from it, and the build file."""
    for package in PACKAGES:
        source = Path(str(files(package)))  # wherever it is imported from, also from another bento
        for path in sorted(p for p in source.rglob("*") if p.suffix in SOURCE_SUFFIXES):
            target = context / package / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    staged = Path(shutil.copytree(checkpoint, context / "checkpoint"))
    predictor = Predictor.load(staged)
    package_encoder(predictor, encoder_folder(staged))
    if recommends_products(predictor.checkpoint.suite):
        build_catalogue(predictor, catalogue_folder(staged))
    (context / "bentofile.yaml").write_text(yaml.safe_dump({
        "service": "serving.service:PolymartService",
        "name": NAME,
        "description": "All decisions of the shop from one checkpoint; the console at / asks it.",
        "include": ["*"],
        "python": {"packages": pinned_requirements(), "lock_packages": False},
        "docker": {"python_version": f"{sys.version_info.major}.{sys.version_info.minor}"},
    }))  # fmt: skip


def _run_build(context: Path, home: Path, version: str) -> None:
    # PYTHONPATH first: the packages of the context win over those that are installed.
    environment = os.environ | {
        "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(context),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "bentoml", "build", str(context), "--version", version]
    try:
        done = subprocess.run(
            command,
            cwd=context,
            env=environment,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise ReleaseError(
            f"bentoml build did not end within {TIMEOUT_S} s", remedy="look for a hanging import"
        ) from error
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-TAIL:])
        raise ReleaseError(
            f"bentoml build failed with status {done.returncode}:\n{tail}",
            remedy="correct what the last lines name and build again",
        )
