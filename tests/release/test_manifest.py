"""A manifest is its content: same parts, same digest; changed content is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart.errors import ReleaseError
from polymart.files import digest_text
from polymart.release.manifest import build_manifest, load_manifest, manifest_from_json, write_manifest

line = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30)
moment = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))
DIGESTED = ["data_version", "code_version", "checkpoint_digest", "bento_tag", "bento_digest", "probe_digest",
            "model_version", "override"]  # fmt: skip


@given(data=line, code=line, tag=line, override=line, checkpoint=line, number=st.floats(), at=moment)
def test_round_trip_keeps_everything(make_parts, make_verdict, data, code, tag, override, checkpoint, number, at):
    manifest = build_manifest(**make_parts(
        data_version=data, code_version=code, bento_tag=tag, override=override, verdict=make_verdict(number=number),
        checkpoint_digest=digest_text(checkpoint), created_at=at,
    ))  # fmt: skip
    read = manifest_from_json(manifest.model_dump_json(), origin="test")
    assert read == manifest
    assert read.digest == manifest.digest
    assert manifest.release == f"quick-{manifest.digest[7:19]}"


@given(first=moment, second=moment)
def test_time_place_and_commit_are_outside_the_digest(make_parts, first, second):
    releases = {
        build_manifest(**make_parts(created_at=at, locations={"x": f"{at}"}, code_commit=f"{at}")).digest
        for at in (first, second)
    }
    assert len(releases) == 1


@pytest.mark.parametrize("field", DIGESTED)
def test_every_part_is_in_the_digest(make_parts, field):
    value = digest_text("other") if field.endswith("digest") else "other"
    assert build_manifest(**make_parts(**{field: value})).digest != build_manifest(**make_parts()).digest


def test_images_and_verdict_are_in_the_digest(make_parts, make_verdict):
    plain = build_manifest(**make_parts())
    image = {"polymart-serving": f"registry.test/serving@{digest_text('image')}"}
    assert build_manifest(**make_parts(images=image)).digest != plain.digest
    assert build_manifest(**make_parts(verdict=make_verdict(number=0.5))).digest != plain.digest


@pytest.mark.parametrize("overall", ["fail", "inconclusive"])
def test_only_a_named_override_lets_a_refused_verdict_through(make_parts, make_verdict, overall):
    verdict = make_verdict(overall)
    with pytest.raises(ReleaseError, match=f"must be 'pass'.*found '{overall}'"):
        build_manifest(**make_parts(verdict=verdict, override="  "))
    manifest = build_manifest(**make_parts(verdict=verdict, override="Ada: the old model is broken"))
    assert manifest.override == "Ada: the old model is broken"


def test_an_override_cannot_be_taken_out_later(make_parts, make_verdict, tmp_path: Path):
    manifest = build_manifest(**make_parts(verdict=make_verdict("fail"), override="Ada: because"))
    fields = manifest.model_dump(mode="json") | {"override": ""}
    with pytest.raises(ReleaseError, match="must be 'pass'"):
        manifest_from_json(json.dumps(fields), origin="release.json")


def test_changed_content_is_refused(make_parts, tmp_path: Path):
    path = tmp_path / "release.json"
    write_manifest(path, build_manifest(**make_parts()))
    path.write_text(path.read_text().replace("tables-1", "tables-2"))
    with pytest.raises(ReleaseError, match="it was changed"):
        load_manifest(path)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"bento_digest": "sha256:short"}, "bento_digest"),
        ({"images": {"polymart-serving": "registry.test/serving:latest"}}, "images"),
        ({"images": {"nginx": f"nginx@{digest_text('x')}"}}, "images"),
        ({"created_at": datetime(2026, 1, 1)}, "created_at"),
        ({"override": "two\nlines"}, "override"),
    ],
)
def test_malformed_parts_are_named(make_parts, change, place):
    with pytest.raises(ReleaseError, match=place):
        build_manifest(**make_parts(**change))


def test_absent_manifest_is_named(tmp_path: Path):
    with pytest.raises(ReleaseError, match=r"nowhere\.json cannot be read"):
        load_manifest(tmp_path / "nowhere.json")


def test_a_number_that_could_not_be_computed_is_none(make_parts, make_verdict):
    verdict = make_verdict("inconclusive", number=float("nan"))
    assert build_manifest(**make_parts(verdict=verdict, override="Ada: too few rows")).gates[0].number is None
