"""A release: the digests of everything that one deployment runs, written once and checked whenever it is read.

The digest covers every field but ``created_at``, ``code_commit`` and ``locations``, so equal inputs give equal names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from polymart.config import Suite
from polymart.errors import ReleaseError
from polymart.evaluation.records import Outcome, Verdict
from polymart.files import canonical_json, digest_text, write_json

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
ImageReference = Annotated[str, Field(pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")]
Line = Annotated[str, Field(pattern=r"^[^\r\n]*$", max_length=500)]
OUTSIDE = {"release", "created_at", "code_commit", "locations"}
"""Fields that the digest leaves out."""
Workload = Literal["polymart-serving", "polymart-jobs"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class GateLine(_Frozen):
    """One gate of the verdict, kept in the release so that a commit can show it."""

    gate: Line
    task: Line
    outcome: Outcome
    number: float | None
    """The number that decided; none if it could not be computed."""
    rule: Line
    """The rule in words, with its threshold."""


class ReleaseManifest(_Frozen):
    """The digests of data, code, model, bento, images and verdict that make up one release."""

    version: Literal[1] = 1
    """Version of this schema."""
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
    images: dict[Workload, ImageReference] = {}
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
    locations: dict[str, Line] = {}
    """Where checkpoint, bento and the like lie; outside the digest, since the same content may lie anywhere."""
    created_at: AwareDatetime
    """When the release was packaged; outside the digest."""

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over every field but time, commit, locations and the name, which is made from it."""
        return digest_text(canonical_json(self.model_dump(mode="json", exclude=OUTSIDE)))

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
            remedy="mend the failing task, or give override='<who>: <why>', which is written into the release",
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
    override: str = "",
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
        created_at: time of packaging, with a time zone.
        override: ``<who>: <why>``; needed when the verdict is not ``pass``.
        images: ``polymart-serving`` / ``polymart-jobs`` -> ``<repository>@sha256:<hex>``.

    Raises:
        ReleaseError: the verdict did not pass and nobody overrides it, or a part has the wrong form.
    """
    _require_pass(verdict.overall, override)
    fields: dict[str, Any] = {
        "version": 1,
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
        "gates": _gate_lines(verdict),
        "override": override.strip(),
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


def _gate_lines(verdict: Verdict) -> list[GateLine]:
    return [
        GateLine(gate=gate.gate, task=gate.task, outcome=gate.outcome, rule=" ".join(gate.rule.split()),
                 number=gate.number if math.isfinite(gate.number) else None)
        for gate in verdict.gates
    ]  # fmt: skip


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
