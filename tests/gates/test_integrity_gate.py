"""A broken checkpoint fails with its own cause and nothing else is said of it."""

import pytest
from fixtures.judged import evaluation, results, suite_of, task

from polymart.evaluation.records import Defect
from polymart.gates import judge

DEFECTS = [
    Defect(defect="not_finite", task="mood", what="weights must be finite, found NaN in 3 of 96"),
    Defect(defect="manifest", what="model.safetensors must have digest sha256:a, found sha256:b"),
]


def test_a_whole_checkpoint_passes_once():
    (found,) = results("integrity", evaluation(task(), task("reply")), suite_of())
    assert (found.outcome, found.number, found.task) == ("pass", 0.0, "")


def test_every_defect_is_a_failure_with_its_cause():
    verdict = judge(evaluation(defects=DEFECTS), suite_of(size_mb=1.0))
    assert verdict.overall == "fail"
    assert [(gate.gate, gate.task, gate.outcome, gate.cause) for gate in verdict.gates] == [
        ("integrity", "mood", "fail", "mood: weights must be finite, found NaN in 3 of 96"),
        ("integrity", "", "fail", "the checkpoint: model.safetensors must have digest sha256:a, found sha256:b"),
    ]


@pytest.mark.parametrize(("skipped", "outcome"), [({}, "inconclusive"), ({"reply": "no data"}, "pass")])
def test_a_task_may_be_left_out_with_a_reason_but_not_lost(skipped, outcome):
    (found,) = results("integrity", evaluation(task(), skipped=skipped), suite_of())
    assert found.outcome == outcome
    assert ("reply: it was neither evaluated nor left out" in found.cause) == (outcome != "pass")
