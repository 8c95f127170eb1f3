"""What answers tell Prometheus."""

from __future__ import annotations

from prometheus_client import REGISTRY

from serving.log.scores import count_answer


def value(name: str) -> float:
    return REGISTRY.get_sample_value(name, {"task": "test_scores"}) or 0.0


def test_scores_are_summed_and_defaults_counted():
    count_answer("test_scores", 0.25, degraded=False)
    count_answer("test_scores", 0.5, degraded=True)
    count_answer("test_scores", None, degraded=True)  # an answer without a score
    assert value("polymart_prediction_score_sum") == 0.75
    assert value("polymart_prediction_score_count") == 2
    assert value("polymart_prediction_degraded_total") == 2
