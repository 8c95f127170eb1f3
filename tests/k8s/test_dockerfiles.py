"""Rules of the Dockerfiles, each shown to fail; the build itself is `test_image_build.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.overlays import OVERLAYS, container, pod, rendered

IMAGES = sorted((Path(__file__).parents[2] / "images").glob("*.Dockerfile"))
LABELS = {"title", "description", "licenses", "revision"}


def instructions(text: str) -> list[tuple[str, str]]:
    """Instruction and arguments of every line, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0].upper(), line.partition(" ")[2].strip()) for line in joined.splitlines() if line.strip()]


def faults(text: str) -> Iterator[str]:
    """Every rule that a Dockerfile breaks."""
    found = instructions(text)
    froms = [n for n, (name, _) in enumerate(found) if name == "FROM"]
    last = found[froms[-1] :]
    if found[0] != ("ARG", "BASE") or any(not found[n][1].startswith("${BASE}") for n in froms):
        yield "base: every stage starts from the base that the build names by digest"
    if len(froms) < 2 or any(name == "RUN" for name, _ in last):
        yield "stages: the last stage runs nothing, it only takes over what another one installed"
    for name, arguments in found:
        if name == "RUN" and re.search(r"\b(curl|wget|apt|apt-get|git)\b", arguments):
            yield "network: a build fetches nothing"
        if name == "RUN" and "pip install" in arguments:
            missing = {"--no-index", "--require-hashes", "--no-deps", "--no-cache-dir"} - set(arguments.split())
            if missing:
                yield f"hashes: pip lacks {', '.join(sorted(missing))}"
        if name == "ADD":
            yield "network: ADD may fetch and unpack; COPY does not"
        if name in ("ARG", "ENV") and re.search(r"PASSWORD|SECRET|TOKEN|_KEY\b", arguments):
            yield "secrets: an image holds none"
    users = [arguments for name, arguments in last if name == "USER"]
    if users != ["1034:1034"]:
        yield "user: the last stage runs as 1034:1034"
    labels = {label for name, arguments in last if name == "LABEL" for label in re.findall(r"image\.(\w+)=", arguments)}
    if labels != LABELS:
        yield "labels: title, description, licenses and revision"
    if not any(name == "COPY" and "sbom.cdx.json" in arguments for name, arguments in last):
        yield "sbom: the image carries its list of contents"
    if not any(name == "CMD" and arguments.startswith("[") for name, arguments in last):
        yield "command: without a shell, so that SIGTERM reaches the server"
    if any(name == "ENTRYPOINT" for name, _ in last):
        yield "entrypoint: manifests and Kubeflow name the whole command"


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_dockerfiles_keep_the_rules(path):
    assert list(faults(path.read_text())) == []


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("base", "ARG BASE\n", "ARG BASE=debian:latest\n"),
        ("base", "FROM ${BASE}\n", "FROM debian:latest\n"),
        ("stages", "USER 1034:1034", "RUN pip install milk\nUSER 1034:1034"),
        ("network", "RUN python3", "RUN apt-get install -y vim && python3"),
        ("network", "COPY wheels", "ADD wheels"),
        ("hashes", "--require-hashes", ""),
        ("hashes", "--no-index", ""),
        ("secrets", 'ARG COMMIT=""', "ARG PYPI_TOKEN"),
        ("user", "USER 1034:1034", "USER root"),
        ("labels", 'org.opencontainers.image.title="', 'title="'),
        ("sbom", "COPY sbom.cdx.json", "COPY other.json"),
        ("command", 'CMD ["', 'CMD sh -c ["'),
        ("entrypoint", "WORKDIR /tmp", 'ENTRYPOINT ["polymart"]'),
    ],
)
def test_each_rule_sees_its_breach(path, rule, old, new):
    text = path.read_text()
    assert old in text
    assert rule in {fault.split(":")[0] for fault in faults(text.replace(old, new))}


def test_manifests_and_images_name_the_same_user_and_commands():
    documents = rendered(OVERLAYS["production"])
    assert pod(documents)["securityContext"]["runAsUser"] == 1034
    assert "command" not in container(documents), "the bento's image says how it is served"
    serving = next(path for path in IMAGES if path.name.startswith("serving")).read_text()
    assert f'"--port", "{container(documents)["ports"][0]["containerPort"]}"' in serving
