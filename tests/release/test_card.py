"""The model card says what the evaluation says, with n, interval and origin."""

from __future__ import annotations

import pytest

from polymart.evaluation.records import Evaluation, Score, TaskEvaluation
from polymart.release.card import render_card
from polymart.release.manifest import build_manifest


@pytest.fixture
def evaluation() -> Evaluation:
    task = TaskEvaluation(
        task="coupon_response", kind="binary", metric="roc_auc", greater_is_better=True,
        score=Score(value=0.71, low=0.65, high=0.77), floor="majority", floor_score=Score(value=0.5, low=0.5, high=0.5),
        gain=Score(value=0.21, low=0.15, high=0.27), gain_lower_bound=0.16, num_examples=812, num_clusters=640,
        data_origin="real-redated",
    )  # fmt: skip
    return Evaluation(suite="quick", checkpoint="sha256:x", confidence=0.95, resamples=1000, tasks=[task],
                      skipped={"intent": "banking77 is absent; put it under POLYMART_EXTRA_DATA"})  # fmt: skip


def test_card_shows_number_interval_n_origin_licence(evaluation, make_parts):
    parts = make_parts()
    card = render_card(build_manifest(**parts), evaluation, parts["suite"], licences={"coupon_response": "CC0"})
    assert "| coupon_response | binary | roc_auc | 0.710 [0.650, 0.770] | majority: 0.500" in card
    assert "| 812 (640) | real-redated | CC0 |" in card
    assert "- intent: left out. banking77 is absent" in card
    assert "coupon_response (real-redated)" in card
    assert "Override" not in card


def test_card_shows_an_override(evaluation, make_parts, make_verdict):
    parts = make_parts(verdict=make_verdict("fail"), override="Ada: the old model is broken")
    card = render_card(build_manifest(**parts), evaluation, parts["suite"])
    assert "**Verdict: fail.**" in card
    assert "**Override:** Ada: the old model is broken" in card
    assert "not stated |" in card
