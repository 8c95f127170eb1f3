"""A real bento of a tiny checkpoint, started, asked and compared; and bentos that must not pass."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from checkpoints import SUITE, processes_of, save_tiny_checkpoint
from fixtures.tiny_suite import tiny_checkpoint, tiny_suite

from polymart.errors import ReleaseError
from polymart.gates.probe import probe as probe_gate
from polymart.model.predictor import Predictor
from serving.golden import difference, unserved_tasks
from serving.packaging import BuiltBento, bento_digest, build_bento
from serving.probe import probe_bento, probe_outcome

REQUIRED = {"status", "tolerance", "precision", "ready_s", "p50_ms", "p99_ms", "durations_ms", "max_difference",
            "differences", "unserved", "cause", "log"}  # fmt: skip


@pytest.fixture
def probe(checkpoint: Path, examples: Path, feature_store: Path) -> Callable[..., dict]:
    return lambda bento, **kwargs: probe_bento(bento, checkpoint, examples, feature_store, **kwargs)


def test_a_bento_answers_as_the_trainer_does_and_leaves_no_process(
    built: tuple[Path, BuiltBento], probe: Callable[..., dict]
) -> None:
    bento, before = built
    result = probe(bento, requests=40)
    assert result.keys() == REQUIRED
    assert (result["status"], result["cause"]) == ("pass", "")
    assert set(result["differences"]) == {task.name for task in SUITE.tasks}
    assert result["max_difference"] <= result["tolerance"] == 1e-4
    assert result["precision"]["runtime"].startswith(("openvino", "torch-bfloat16"))
    assert len(result["durations_ms"]) == 40
    assert 0 < result["p50_ms"] <= result["p99_ms"]
    assert not processes_of(bento)
    assert bento_digest(bento) == before.digest, "serving must not change the bento"


def test_tasks_without_an_endpoint_are_named() -> None:
    assert unserved_tasks(Predictor(tiny_checkpoint(tiny_suite()))) == ["next_item", "reply", "units"]


def test_the_tag_and_digest_follow_from_the_content(
    built: tuple[Path, BuiltBento], checkpoint: Path, tmp_path: Path
) -> None:
    assert build_bento(checkpoint, tmp_path / "again") == built[1]
    other = tmp_path / "checkpoint"
    save_tiny_checkpoint(other, SUITE, seed=2)
    rebuilt = build_bento(other, tmp_path / "again")
    assert rebuilt.tag != built[1].tag
    assert rebuilt.digest != built[1].digest
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_bento_needs_nothing_from_outside(built: tuple[Path, BuiltBento]) -> None:
    image = yaml.safe_load((built[0] / "bento.yaml").read_text())["image"]
    pins = image["python_requirements"].split()
    assert all("==" in pin and "+" not in pin for pin in pins)
    assert {"torch", "transformers", "feast", "bentoml"} <= {pin.partition("==")[0] for pin in pins}
    assert {path.name for path in (built[0] / "src").iterdir()} == {
        "bentofile.yaml",
        "checkpoint",
        "encoder",
        "feature_repo",
        "polymart",
        "serving",
    }


def test_a_head_that_answers_wrongly_is_caught(
    built: tuple[Path, BuiltBento], probe: Callable[..., dict], tmp_path: Path
) -> None:
    bento = Path(shutil.copytree(built[0], tmp_path / "bento"))
    kind = bento / "src" / "polymart" / "tasks" / "binary.py"
    assert "logits_BO.sigmoid()" in kind.read_text()
    kind.write_text(kind.read_text().replace("logits_BO.sigmoid()", "(logits_BO + 0.01).sigmoid()"))
    with pytest.raises(ReleaseError, match=r"found coupon_response by 0\.00"):
        probe(bento, requests=5)
    assert not processes_of(bento)


def test_a_server_that_dies_is_shown_by_the_end_of_its_log_and_fails_its_gate(
    built: tuple[Path, BuiltBento],
    checkpoint: Path,
    examples: Path,
    feature_store: Path,
    probe: Callable[..., dict],
    tmp_path: Path,
) -> None:
    bento = Path(shutil.copytree(built[0], tmp_path / "bento"))
    (bento / "src" / "serving" / "service.py").write_text("raise RuntimeError('no service here')\n")
    with pytest.raises(ReleaseError, match=r"(?s)ended with status \d+ before it was ready.*no service here"):
        probe(bento)
    result = probe_outcome(bento, checkpoint, examples, feature_store)
    assert result.keys() == REQUIRED
    assert result["status"] == "fail"
    assert re.fullmatch(r"the server ended with status \d+ before it was ready", result["cause"])
    assert "no service here" in result["log"]
    assert probe_gate(result).outcome == "fail"


def test_another_or_a_tampered_checkpoint_is_refused_before_the_start(
    built: tuple[Path, BuiltBento], examples: Path, feature_store: Path, probe: Callable[..., dict], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    save_tiny_checkpoint(other, SUITE, seed=2)
    with pytest.raises(ReleaseError, match="the bento must hold checkpoint sha256:"):
        probe_bento(built[0], other, examples, feature_store)
    bento = Path(shutil.copytree(built[0], tmp_path / "bento"))
    weights = bento / "src" / "checkpoint" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ReleaseError, match=r"(?s)checkpoint is broken.*model\.safetensors"):
        probe(bento)


@pytest.mark.parametrize(("found", "expected", "gap"), [
    ({"a": 0.5}, {"a": 0.5}, 0.0),
    ({"a": 0.5}, {"a": 0.4}, 0.1),
    ({"q50": 220.0}, {"q50": 200.0}, 0.1),  # relative above 1
    ({}, {"a": 0.5}, float("inf")),
    ({"b": 0.5}, {"a": 0.5}, float("inf")),
    ({"a": float("nan")}, {"a": 0.5}, float("inf")),
    ({"a": 0.2}, {"a": 0.2, "b": 0.9}, 0.7),  # a better label was left out
])  # fmt: skip
def test_difference(found: dict[str, float], expected: dict[str, float], gap: float) -> None:
    assert difference(found, expected) == pytest.approx(gap)
