"""The file of an experiment: what is refused, and how that is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from polymart.errors import SettingError
from serving.experiments.config import VARIANT, load_experiment, own_variant

GOOD = {
    "name": "autumn",
    "variants": [
        {"name": "main", "weight": 95},
        {"name": "next", "weight": 5, "url": "http://polymart-next:3000/"},
        {"name": "bold", "weight": 0, "url": "https://polymart-bold"},
    ],
    "shadow": {"variant": "bold", "share": 0.2},
    "timeout_s": 1,
}
MAIN, NEXT, BOLD = GOOD["variants"]


def _load(folder: Path, content: Any, own: str = "main", *, logged: bool = True):
    path = folder / "experiment.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return load_experiment(path, own, logged=logged)


def test_a_good_file(tmp_path: Path) -> None:
    experiment = _load(tmp_path, GOOD)
    assert experiment.weights == {"main": 95, "next": 5, "bold": 0}
    assert experiment.url("next") == "http://polymart-next:3000"
    assert experiment.shadow.max_in_flight == 8


def test_the_same_file_serves_every_variant_that_the_others_can_reach(tmp_path: Path) -> None:
    everywhere = GOOD | {"variants": [MAIN | {"url": "http://polymart"}, NEXT, BOLD]}
    for own in ("main", "next", "bold"):
        _load(tmp_path, everywhere, own)


@pytest.mark.parametrize(
    ("change", "own", "message"),
    [
        ({"nmae": "x"}, "main", "nmae: Extra inputs are not permitted"),
        ({"name": "Autumn"}, "main", "name: String should match pattern"),
        ({"variants": []}, "main", "variants: List should have at least 1 item"),
        ({"variants": [MAIN, MAIN]}, "main", "names of variants must be unique, found main, main"),
        ({"variants": [MAIN | {"weight": -1}]}, "main", r"variants.0.weight: .*greater than or equal to 0"),
        ({"variants": [MAIN | {"weight": float("inf")}]}, "main", r"variants.0.weight: .*finite"),
        ({"variants": [MAIN | {"weight": "95"}]}, "main", r"variants.0.weight: .*valid number"),
        ({"variants": [MAIN | {"weight": 0}, BOLD]}, "main", "must have a weight above 0, found none"),
        ({"variants": [MAIN, NEXT | {"url": "file:///etc"}, BOLD]}, "main", "must be http:// or https://"),
        ({"variants": [MAIN, NEXT | {"url": "http://u:p@h"}, BOLD]}, "main", "must be http:// or https://"),
        ({"variants": [MAIN, NEXT | {"url": "http://h/path"}, BOLD]}, "main", "with host and port alone"),
        ({"variants": [MAIN, NEXT | {"url": ""}, BOLD]}, "main", "must tell the url of next"),
        ({"shadow": {"variant": "gone"}}, "main", "must be a variant of weight 0 with a url, found 'gone'"),
        ({"shadow": {"variant": "next"}}, "main", "must be a variant of weight 0 with a url, found 'next'"),
        ({"shadow": {"variant": "bold", "share": 0}}, "main", "shadow.share"),
        ({}, "other", "must have the variant of this server, 'other'; it has main, next, bold"),
        ({}, "next", "must tell the url of main"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, change: dict[str, Any], own: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        _load(tmp_path, GOOD | change, own)


def test_a_shadow_needs_a_log(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="needs a prediction log"):
        _load(tmp_path, GOOD, logged=False)
    assert _load(tmp_path, GOOD | {"shadow": None}, logged=False).shadow is None


@pytest.mark.parametrize("content", ["a: b: c", "\x00", "- a list", ""])
def test_what_is_no_experiment_at_all(tmp_path: Path, content: str) -> None:
    with pytest.raises(SettingError, match=r"experiment\.yaml"):
        _load(tmp_path, content)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"gone\.yaml cannot be read"):
        load_experiment(tmp_path / "gone.yaml", "main")


def test_a_server_knows_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIANT, raising=False)
    assert own_variant() == "main"
    monkeypatch.setenv(VARIANT, "next")
    assert own_variant() == "next"
    monkeypatch.setenv(VARIANT, "<b>")
    with pytest.raises(SettingError, match="must name a variant, found '<b>': String should match pattern"):
        own_variant()
