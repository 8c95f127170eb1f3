"""What an image holds, as a CycloneDX document that scanners read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL


@dataclass(frozen=True)
class Package:
    """One distribution in an image."""

    name: str
    version: str
    sha256: str = ""
    """Hex digest of its wheel; empty where no wheel was made yet."""


def sbom(image: str, version: str, packages: Iterable[Package]) -> str:
    """CycloneDX 1.6 as JSON: the image, and every Python distribution in it with version, hash and licence.

    Args:
        image: ``polymart-jobs`` or ``polymart-serving``.
        version: commit or digest of the source.
        packages: what is installed.
    """
    bom = Bom()
    bom.metadata.component = Component(name=image, version=version, type=ComponentType.CONTAINER, bom_ref=image)
    for package in sorted(packages, key=lambda package: package.name):
        bom.components.add(_component(package))
    bom.register_dependency(bom.metadata.component, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=1)


def _component(package: Package) -> Component:
    url = PackageURL("pypi", name=package.name, version=package.version)
    licence = _licence(package.name)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=str(url),
        hashes=[HashTypeFactory().from_hashlib_alg("sha256", package.sha256)] if package.sha256 else [],
        licenses=[LicenseExpression(licence)] if licence else [],
    )


def _licence(name: str) -> str:
    """The SPDX expression that the distribution declares; empty where it declares none in that form."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return ""
    return str(found["License-Expression"]) if "License-Expression" in found else ""
