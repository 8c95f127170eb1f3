"""What a canary is judged by: series that exist, and limits that tell a good release from a bad one, by promtool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import bentoml
import pytest
import yaml
from fixtures.overlays import K8S, OVERLAYS, rendered
from prometheus_client import REGISTRY

from monitoring.metrics import HELP
from polymart.config import Settings
from polymart.data.archives import fetch, is_within_reach
from polymart.errors import ArchiveError
from serving.log.scores import count_answer

ANALYSES = {
    metric["name"]: metric
    for document in yaml.safe_load_all((K8S / "components/canary/analysis.yaml").read_text())
    for metric in document["spec"]["metrics"]
}
NEW, OLD = 'rollouts_pod_template_hash="new"', 'rollouts_pod_template_hash="old"'


def query(name: str) -> str:
    text = ANALYSES[name]["provider"]["prometheus"]["query"]
    return text.replace("{{args.canary-hash}}", "new").replace("{{args.stable-hash}}", "old")


def limit(name: str) -> float:
    """The number that the successful result stays below."""
    condition = re.fullmatch(
        r"len\(result\) == 0 \|\| isNaN\(result\[0\]\) \|\| result\[0\] < ([\d.]+)",
        ANALYSES[name]["successCondition"],
    )
    assert condition
    return float(condition[1])


def test_every_series_is_one_that_somebody_writes():
    count_answer("mood", 0.5, degraded=True)
    ours = {sample.name for family in REGISTRY.collect() for sample in family.samples} | {f"polymart_{n}" for n in HELP}
    instruments = (Path(bentoml.__file__).parent / "_internal/server/http/instruments.py").read_text()
    theirs = {f"bentoml_service_{name}" for name in re.findall(r'name="(\w+)"', instruments)}
    scaler = next(d for d in rendered(OVERLAYS["production"]) if d["kind"] == "ScaledObject")
    texts = [*map(query, ANALYSES), scaler["spec"]["triggers"][0]["metadata"]["query"]]
    for name in {name for text in texts for name in re.findall(r"\b(?:polymart|bentoml)_\w+(?=\{|\)|\[)", text)}:
        assert name in ours or name.removesuffix("_bucket") in theirs, f"nobody writes {name}"


def test_scaling_counts_the_requests_of_its_own_environment():
    scaler = next(d for d in rendered(OVERLAYS["production"]) if d["kind"] == "ScaledObject")
    assert 'polymart_environment="production"' in scaler["spec"]["triggers"][0]["metadata"]["query"]


@pytest.fixture(scope="module")
def promtool() -> Path:
    if not is_within_reach("prometheus", Settings()):
        pytest.skip("promtool is fetched by apt-get, which this machine lacks")
    try:
        return fetch("prometheus", Settings()) / "promtool"
    except ArchiveError as error:
        pytest.skip(f"promtool cannot be had here: {error.message}")


def series(name: str, labels: str, each_minute: float, start: float = 0) -> dict[str, str]:
    return {"series": f"{name}{{{labels}}}", "values": f"{start}+{each_minute}x30"}


def answers(pod: str, score: float, degraded: float = 0, per_minute: float = 60) -> list[dict[str, str]]:
    labels = f'{pod}, task="mood"'
    return [
        series("polymart_prediction_score_count", labels, per_minute),
        series("polymart_prediction_score_sum", labels, per_minute * score),
        series("polymart_prediction_degraded_total", labels, per_minute * degraded),
    ]


def requests(pod: str, failed: float) -> list[dict[str, str]]:
    return [
        series("bentoml_service_request_total", f'{pod}, http_response_code="{code}"', 600 * share)
        for code, share in (("200", 1 - failed), ("500", failed))
    ]


def latencies(pod: str, slow: float) -> list[dict[str, str]]:
    name = "bentoml_service_request_duration_seconds_bucket"
    shares = (("0.1", 1 - slow), ("2", 1.0), ("+Inf", 1.0))
    return [series(name, f'{pod}, le="{bound}"', 600 * share) for bound, share in shares]


@pytest.mark.parametrize(
    ("name", "given", "judged"),
    [
        ("errors", requests(NEW, 0.001) + requests(OLD, 0.5), True),
        ("errors", requests(NEW, 0.02) + requests(OLD, 0), False),
        ("latency", latencies(NEW, 0.001) + latencies(OLD, 0.5), True),
        ("latency", latencies(NEW, 0.05) + latencies(OLD, 0), False),
        ("scores", answers(NEW, 0.42) + answers(OLD, 0.40), True),
        ("scores", answers(NEW, 0.60) + answers(OLD, 0.40), False),
        ("scores", answers(NEW, 0.20) + answers(OLD, 0.40), False),
        ("scores", answers(NEW, 0.90, per_minute=2) + answers(OLD, 0.40), None),  # too few to judge, which passes
        ("degraded", answers(NEW, 0.4, degraded=0.01) + answers(OLD, 0.4, degraded=1), True),
        ("degraded", answers(NEW, 0.4, degraded=0.2) + answers(OLD, 0.4), False),
        ("labelled-performance", [series("polymart_performance_loss_ratio", 'task="mood"', 0, 0.02)], True),
        ("labelled-performance", [series("polymart_performance_loss_ratio", 'task="mood"', 0, 0.3)], False),
    ],
)
def test_a_good_canary_passes_and_a_bad_one_does_not(name, given, judged, promtool, tmp_path):
    verdict = f"({query(name)}) < {limit(name)}"
    (tmp_path / "rules.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "canary", "rules": [{"record": "passes", "expr": verdict}]}]})
    )
    counts = {query(name): int(judged is not None), "passes": int(judged is True)}  # no number at all passes, too
    asked: list[dict[str, Any]] = [
        {"expr": f"count({text}) or vector(0)", "eval_time": "25m", "exp_samples": [{"labels": "{}", "value": count}]}
        for text, count in counts.items()
    ]
    test = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m",
            "tests": [{"interval": "1m", "input_series": given, "promql_expr_test": asked}]}  # fmt: skip
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
