"""A manifest is its content: same parts, same digest; changed content is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart.errors import ReleaseError
from polymart.evaluation.records import GateResult, Verdict
from polymart.files import digest_text
from polymart.release.manifest import build_manifest, load_manifest, manifest_from_json, write_manifest

line = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30)
moment = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))
DIGESTED = ["data_version", "code_version", "checkpoint_digest", "bento_tag", "bento_digest", "probe_digest",
            "model_version"]  # fmt: skip


@given(data=line, code=line, tag=line, checkpoint=line, number=st.floats(), at=moment)
def test_round_trip_keeps_everything(make_parts, make_verdict, data, code, tag, checkpoint, number, at):
    manifest = build_manifest(**make_parts(
        data_version=data, code_version=code, bento_tag=tag, verdict=make_verdict(number=number),
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
        build_manifest(**make_parts(verdict=verdict))
    manifest = build_manifest(**make_parts(verdict=verdict, override="Ada: the old model is broken"))
    assert manifest.override == "Ada: the old model is broken"


def test_an_override_that_nobody_needed_is_not_told(make_parts):
    assert build_manifest(**make_parts(override="Ada: to be sure")).override == ""


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
        ({"data_version": "two\nlines"}, "data_version"),
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


def test_gates_keep_interval_and_cause_on_one_line(make_parts):
    gate = GateResult(
        gate="champion", task="intent", outcome="fail", number=-0.04, low=-0.05, high=float("inf"),
        rule="bound > -0.005", cause="intent: accuracy\nfell " + "x" * 600,
    )  # fmt: skip
    verdict = Verdict(overall="fail", gates=[gate])
    (line,) = build_manifest(**make_parts(verdict=verdict, override="Ada: because")).gates
    assert (line.low, line.high) == (-0.05, None)
    assert line.cause.startswith("intent: accuracy fell xxx")
    assert line.cause.endswith("x ...")
    assert len(line.cause) == 500


# As version 1 was written, before gates told interval and cause.
VERSION_1 = json.loads(
    """{"version":1,"release":"quick-f7004a4890d4","suite_digest":"sha256:6471ceaf4c6ed4bf16cf5c4675d93b970f764b389a72b0023088ef80abe1c4d0",
    "data_version":"tables-1",
    "code_version":"abc123",
    "checkpoint_digest":"sha256:47320987f9a49d5b00119b960f247a956773f57543982b8bfcb6da5bb3afd9ef",
    "bento_tag":"shop:1","bento_digest":"sha256:4243b479ae1f345e3b3beff413f628c1c3edf2b54bc75859e736f0254231aafb",
    "images":{},"verdict_digest":"sha256:8361e8dbd076ba01882c828f996e4978d04be4d441ebc961395660a226d6ef0d",
    "overall":"fail","gates":[{"gate":"floor",
    "task":"coupon_response","outcome":"fail","number":-0.2,"rule":"lower bound > 0"}],
    "override":"Ada: because","model_version":"","probe_digest":null,"locations":{},
    "created_at":"2026-11-22T00:00:00Z"}"""
)


def test_a_manifest_of_version_1_is_still_read_and_still_checked():
    read = manifest_from_json(json.dumps(VERSION_1), origin="release.json")
    assert (read.version, read.gates[0].cause, read.gates[0].low) == (1, "", None)
    with pytest.raises(ReleaseError, match="it was changed"):
        manifest_from_json(json.dumps(VERSION_1 | {"bento_tag": "shop:2"}), origin="release.json")
    with pytest.raises(ReleaseError, match="it was changed"):
        manifest_from_json(json.dumps(VERSION_1 | {"version": 2}), origin="release.json")
