"""The gate drill in its small form, on the synthetic shop and a tiny encoder."""

import sys
from dataclasses import replace
from pathlib import Path
from time import process_time

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # bench/ is no installed package

from fixtures.shop import make_shop
from fixtures.tiny_encoder import write_tiny_encoder

from bench import gate_drill
from bench._candidates import Cause, Shop
from feature_repo.retrieval import apply, retrieve
from polymart.config import Suite, load_suite
from polymart.data.examples import read_examples, write_examples
from polymart.data.prepare import prepare_tables
from polymart.evaluation import latency
from polymart.evaluation.records import GateResult, Verdict
from polymart.model.predictor import Predictor

pytestmark = pytest.mark.long
TASKS = ("next_category", "demand", "intent")
LIMITS = {"train": 1500, "val": 300, "test": 600}
GOOD = 2


def tiny_suite():
    """The drill's suite with few rows and steps, and margins that suit as few rows."""
    drill = load_suite(gate_drill.DRILL).model_dump(mode="json")
    tasks = [
        task | {"limits": LIMITS, "regression_margin": 0.1, "margin": 0.05}
        for task in drill["tasks"]
        if task["name"] in TASKS
    ]
    changes = {
        "tasks": tasks,
        "gates": drill["gates"] | {"resamples": 300},
        "training": drill["training"] | {"max_steps": 150, "head_learning_rate": 5e-3},
    }
    return Suite.model_validate(drill | changes, strict=False)


@pytest.fixture(scope="module", autouse=True)
def processor_time():
    """Answers are timed by the processor's clock: how busy the machine of a test is must not decide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "perf_counter", process_time)
        yield


@pytest.fixture(scope="module")
def shop(tmp_path_factory, processor_time):
    work, suite = tmp_path_factory.mktemp("drill"), tiny_suite()
    prepare_tables(make_shop(work / "raw"), work / "tables", wanted={task.source for task in suite.tasks})
    apply(work / "tables", work / "store")
    write_examples(
        work / "tables", suite, work / "examples", retrieve=lambda name, rows: retrieve(work / "store", name, rows)
    )
    encoder = write_tiny_encoder(work / "encoder")
    shop = Shop(work / "tables", work / "examples", encoder, suite, work / "kept", depth=100)
    return replace(shop, suite=timed(shop))


def timed(shop):
    """The suite with a limit that suits this machine: five times what the champion needs."""
    frame = read_examples(shop.examples, "intent")
    requests = {"intent": frame[frame.split == "test"].head(latency.NUM_REQUESTS)}
    limit = 5 * latency.measure_latency(Predictor.load(shop.champion), requests).p50_ms
    return shop.suite.model_copy(update={"gates": shop.suite.gates.model_copy(update={"latency_ms": limit})})


@pytest.fixture(scope="module")
def judged(shop):
    return gate_drill.drill(shop, 1, GOOD)


def test_good_candidates_pass(judged):
    good = [one for one in judged if one["kind"] == "good"]
    assert len(good) == GOOD
    assert [one["overall"] for one in good] == ["pass"] * GOOD, [one["causes"] for one in good]


@pytest.mark.parametrize("kind", gate_drill.BAD)
def test_a_bad_candidate_is_caught_for_the_right_cause(judged, kind):
    (one,) = [one for one in judged if one["kind"] == kind]
    assert one["overall"] != "pass"
    assert one["named"], one["causes"]


def test_what_was_judged_is_not_made_again(shop, judged, monkeypatch):
    monkeypatch.setattr(gate_drill, "evaluate_suite", None)
    assert gate_drill.drill(shop, 1, GOOD) == judged
    assert not list(shop.work.glob("tmp*"))


def test_the_honest_tables_stay_as_they_were(shop, judged):
    for path in (shop.tables / "features").glob("*.parquet"):
        newest = pd.read_parquet(path, columns=["event_timestamp"]).event_timestamp.max()
        assert newest > pd.Timestamp("2017-12-01")


def test_claims_count_what_was_caught_and_blocked(capsys):
    def found(kind, overall, named):
        return {"kind": kind, "overall": overall, "named": named, "seconds": 6.0}

    rates = gate_drill.claims(
        [found("torn", "fail", True)] * 8
        + [found("slow", "inconclusive", False), found("stale", "pass", False)]
        + [found("good", "pass", True)] * 19
        + [found("good", "inconclusive", False)]
    )
    assert rates == {"caught": 9, "bad": 10, "blocked": 1, "good": 20, "named": 8, "minutes": 3.0}
    assert capsys.readouterr().out.count('"holds": false') == 2


@pytest.mark.parametrize(
    ("gate", "task", "outcome", "cause", "named"),
    [
        ("floor", "mood", "fail", "mood: too low", True),
        ("floor", "mood", "pass", "", False),
        ("floor", "other", "fail", "other: too low", False),
        ("champion", "mood", "fail", "mood: too low", False),
        ("floor", "mood", "inconclusive", "mood: too few", False),
    ],
)
def test_a_cause_is_named_by_gate_task_and_words(gate, task, outcome, cause, named):
    result = GateResult(gate=gate, task=task, outcome=outcome, number=0.0, rule="", cause=cause)
    verdict = Verdict(overall=outcome, gates=[result])
    assert Cause(("floor", "bar"), "mood", "low").named(verdict) == named
