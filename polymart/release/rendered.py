"""The releases that rendered pods carry: signed by a trusted key, and running the images that they name."""

from __future__ import annotations

from polymart.errors import ReleaseError
from polymart.release.manifest import ReleaseManifest, manifest_from_json
from polymart.release.overlay import MANIFEST_ANNOTATION
from polymart.release.signing import TrustedKeys, require_signed, standing
from polymart.release.world import Document


def check_releases(documents: list[Document], keys: TrustedKeys | None) -> list[str]:
    """Check every release that a rendered workload carries; one line on each.

    Raises:
        ReleaseError: a manifest was altered, none of ``keys`` signed it (where these are given), or the workload runs
            an image of ours that the release does not name.
    """
    lines = []
    for document in documents:
        template = document.get("spec", {}).get("template", {})
        text = template.get("metadata", {}).get("annotations", {}).get(MANIFEST_ANNOTATION)
        if text:
            name = f"{document['kind']}/{document['metadata']['name']}"
            manifest = manifest_from_json(text, origin=f"the annotation {MANIFEST_ANNOTATION} of {name}")
            require_signed(manifest, keys)
            _require_images(name, manifest, [container["image"] for container in template["spec"]["containers"]])
            told = "signature not checked (POLYMART_RELEASE_KEYS)" if keys is None else standing(manifest, keys)
            lines.append(f"{name}: {manifest.release}, {told}")
    return lines


def _require_images(name: str, manifest: ReleaseManifest, images: list[str]) -> None:
    released = {reference.partition("@")[0]: reference for reference in manifest.images.values()}
    for image in images:
        expected = released.get(image.partition("@")[0], image)
        if image != expected:
            raise ReleaseError(
                f"{name} runs {image}, but its release {manifest.release} names {expected}",
                remedy="promote the release again instead of editing its files",
            )
