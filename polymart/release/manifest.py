"""A release: the digests of everything that one deployment runs, written once and checked whenever it is read.

The digest covers every field but ``created_at``, ``code_commit``, ``locations`` and ``signature``, so equal inputs give
equal names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from polymart.config import Suite
from polymart.errors import ReleaseError
from polymart.evaluation.records import Outcome, Verdict
from polymart.files import canonical_json, digest_text, write_json
from polymart.release.gate_lines import GateLine, Line, Part, gate_lines

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
ImageReference = Annotated[str, Field(pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")]
OUTSIDE = {"release", "created_at", "code_commit", "locations", "signature"}
"""Fields that the digest leaves out."""
SINCE_2 = {"gates": {"__all__": {"low", "high", "cause"}}}
"""Fields that a manifest of version 1 does not have; left out of its digest, it still is its own."""
Workload = Literal["polymart-serving", "polymart-jobs"]


class ReleaseManifest(Part):
    """The digests of data, code, model, bento, images and verdict that make up one release."""

    version: Literal[1, 2] = 2
    """Version of this schema; 2 brought intervals and causes of gates, and 1 is read as before."""
    release: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,48}-[0-9a-f]{12}$")]
    """``<suite name>-<first 12 hex digits of the digest>``."""
    suite_digest: Digest
    data_version: Line
    """Version of the tables that the model learned from."""
    code_version: Line
    """Commit, or digest of the source, that trained the model."""
    code_commit: Line = ""
    """Git commit of that code; outside the digest, since one source stands in many commits."""
    checkpoint_digest: Digest
    bento_tag: Line
    """``name:version`` of the bento."""
    bento_digest: Digest
    images: dict[Workload, ImageReference] = Field(default_factory=dict)
    """Container images by digest; empty where nothing was containerised (a laptop)."""
    verdict_digest: Digest
    overall: Outcome
    gates: list[GateLine]
    override: Line = ""
    """Who let a release through that did not pass, and why; empty if nobody had to."""
    model_version: Line = ""
    """Name and version in the model registry."""
    probe_digest: Digest | None = None
    """Digest of what the probe of the started bento measured; none if it was not probed."""
    locations: dict[str, Line] = Field(default_factory=dict)
    """Where checkpoint, bento and the like lie; outside the digest, since the same content may lie anywhere."""
    created_at: AwareDatetime
    """When the release was packaged; outside the digest."""
    signature: Annotated[str, Field(pattern=r"^([0-9a-f]{16}:[A-Za-z0-9+/]{86}==)?$")] = ""
    """``<id of the key>:<base64>`` over name and digest, see `polymart.release.signing`; empty if it is unsigned."""

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over every field but `OUTSIDE`; the name among these is made from it."""
        left_out = dict.fromkeys(OUTSIDE, True) | (SINCE_2 if self.version == 1 else {})
        return digest_text(canonical_json(self.model_dump(mode="json", exclude=left_out)))

    @model_validator(mode="after")
    def _gate_holds(self) -> ReleaseManifest:
        _require_pass(self.overall, self.override)
        return self

    @model_validator(mode="after")
    def _name_matches_content(self) -> ReleaseManifest:
        if self.release.rpartition("-")[2] != _short(self.digest):
            raise ValueError(f"release is {self.release}, but the content's digest is {self.digest}: it was changed")
        return self


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _require_pass(overall: str, override: str) -> None:
    if overall != "pass" and not override.strip():
        raise ReleaseError(
            f"the verdict must be 'pass' to make a release, found {overall!r}",
            remedy='mend what the gates name, or give --override "<who>: <why>", which is written into the release',
        )


def build_manifest(
    *,
    suite: Suite,
    data_version: str,
    code_version: str,
    checkpoint_digest: str,
    bento_tag: str,
    bento_digest: str,
    verdict: Verdict,
    created_at: datetime,
    code_commit: str = "",
    model_version: str = "",
    images: Mapping[str, str] | None = None,
    probe_digest: str | None = None,
    locations: Mapping[str, str] | None = None,
) -> ReleaseManifest:
    """Make the manifest of a release from its parts; nothing else (clock, host, folder) enters it.

    Args:
        suite: the suite that was trained; gives the name and ``suite_digest``.
        data_version: version of the tables, see `polymart.data.archives.data_version`.
        checkpoint_digest, bento_digest: ``sha256:<hex>``, see `polymart.files.digest_tree`.
        verdict: the final one; its override is written down where it did not pass.
        created_at: time of packaging, with a time zone.
        images: ``polymart-serving`` / ``polymart-jobs`` -> ``<repository>@sha256:<hex>``.

    Raises:
        ReleaseError: the verdict did not pass and nobody overrides it, or a part has the wrong form.
    """
    override = "" if verdict.passed or verdict.override is None else str(verdict.override)
    _require_pass(verdict.overall, override)
    fields: dict[str, Any] = {
        "version": 2,
        "suite_digest": suite.digest,
        "data_version": data_version,
        "code_version": code_version,
        "code_commit": code_commit,
        "checkpoint_digest": checkpoint_digest,
        "bento_tag": bento_tag,
        "bento_digest": bento_digest,
        "images": dict(images or {}),
        "verdict_digest": _verdict_digest(verdict),
        "overall": verdict.overall,
        "gates": gate_lines(verdict),
        "override": override,
        "model_version": model_version,
        "probe_digest": probe_digest,
        "locations": dict(locations or {}),
        "created_at": created_at,
    }
    unnamed = ReleaseManifest.model_construct(release="", **fields)
    try:
        return ReleaseManifest(release=f"{suite.name}-{_short(unnamed.digest)}", **fields)
    except ValidationError as error:
        raise _invalid("the release", error) from error


def _verdict_digest(verdict: Verdict) -> str:
    return digest_text(canonical_json(verdict.model_dump(mode="json")))


def _invalid(origin: str, error: ValidationError) -> ReleaseError:
    lines = [f"  {'.'.join(map(str, item['loc'])) or 'release'}: {item['msg']}" for item in error.errors()]
    return ReleaseError(f"{origin} is not a valid manifest:\n" + "\n".join(lines), remedy="package the release again")


def manifest_from_json(text: str | bytes, *, origin: str) -> ReleaseManifest:
    """Parse a manifest and check it against its own digest.

    Raises:
        ReleaseError: a field is missing, unknown or malformed, or the content was changed after packaging.
    """
    try:
        return ReleaseManifest.model_validate_json(text)
    except ValidationError as error:
        raise _invalid(origin, error) from error


def load_manifest(path: Path | str) -> ReleaseManifest:
    """Read ``release.json``.

    Raises:
        ReleaseError: the file is absent, or not a valid and unchanged manifest.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ReleaseError(f"manifest {path} cannot be read: {error}", remedy="package the release again") from error
    return manifest_from_json(content, origin=str(path))


def write_manifest(path: Path | str, manifest: ReleaseManifest) -> None:
    """Write ``release.json`` atomically.

    Raises:
        StorageError: the disk is full, read-only or forbidden.
    """
    write_json(path, manifest.model_dump(mode="json"))
