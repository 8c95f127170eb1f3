"""``polymart images``: what goes into the container images, pinned and listed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="images", help="Prepare container images: pinned build contexts, lists of contents.", no_args_is_help=True
)


class Image(StrEnum):
    """The two images."""

    jobs = "jobs"
    serving = "serving"


class Torch(StrEnum):
    """Which build of torch an image holds."""

    cpu = "cpu"
    cuda = "cuda"


Which = Annotated[Image, typer.Argument(help="jobs (pipelines, monitoring, MLflow) or serving (a bento).")]
Build = Annotated[Torch, typer.Option(help="Build of torch.")]


@app.command("context")
def context_command(
    image: Which,
    out: Annotated[Path, typer.Argument(help="Folder to write; give it to buildah or docker.")],
    bento: Annotated[Path | None, typer.Option(help="Folder of the bento, for serving.")] = None,
    torch: Build = Torch.cpu,
) -> None:
    """Fetch every file of an image, compare it with the locked hashes, and write the folder to build from."""
    from polymart.errors import SettingError
    from polymart.release.images import write_context
    from polymart.version import code_commit

    if (image is Image.serving) != (bento is not None):
        raise SettingError(
            f"--bento must be given for serving and only there, found {bento} for {image}",
            remedy="name the bento folder of a training run: polymart images context serving FOLDER --bento BENTO",
        )
    write_context(image, _pins(image, torch), _locks(torch), out, version=code_commit(), bento=bento)
    typer.echo(f"{out}: build it with a base image by digest, see images/{image}.Dockerfile")


@app.command("sbom")
def sbom_command(image: Which, torch: Build = Torch.cpu) -> None:
    """Print what an image holds as CycloneDX JSON; the context and the image carry it with the wheels' hashes."""
    from polymart.release.images import locked
    from polymart.release.sbom import Package, sbom
    from polymart.version import code_commit

    pins = _pins(image, torch)
    locked(pins, _locks(torch))  # nothing is listed that is not pinned
    packages = [Package(name, version) for name, _, version in (pin.partition("==") for pin in pins)]
    typer.echo(sbom(f"polymart-{image}", code_commit(), packages))


def _pins(image: Image, torch: Torch) -> list[str]:
    """``name==version`` of what the image needs, as it is installed and tested here."""
    import re
    import tomllib

    from polymart.release.images import ROOT
    from serving.requirements import ROOTS, pinned_requirements

    # not the installed metadata of polymart itself: a checkout's are as old as its last install
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = pinned_requirements(ROOTS if image is Image.serving else tuple(project["dependencies"]))
    cuda = re.findall(r"^[\w.-]+==[^\s\\]+", (ROOT / "requirements/torch-cuda.txt").read_text(), flags=re.MULTILINE)
    kept = [pin for pin in pins if pin not in cuda]
    return sorted(kept + cuda) if torch is Torch.cuda else kept


def _locks(torch: Torch) -> list[Path]:
    from polymart.release.images import ROOT

    names = ("torch-cpu",) if torch is Torch.cpu else ("torch", "torch-cuda")
    return [ROOT / "requirements" / f"{name}.txt" for name in ("lock", *names)]
