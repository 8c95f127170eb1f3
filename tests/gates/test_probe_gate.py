"""Anything but a probe that says pass is a failure with its cause."""

import pytest

from polymart.gates.probe import probe

PASSED = {"status": "pass", "cause": "", "max_difference": 1e-6, "tolerance": 1e-4}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "pass"),
        ({"max_difference": 2e-4}, "fail"),
        ({"max_difference": float("nan")}, "fail"),
        ({"status": "fail", "cause": "the server was not ready in time", "max_difference": None}, "fail"),
        ({"status": "PASS"}, "fail"),
    ],
)
def test_the_rule(changes, expected):
    found = probe(PASSED | changes)
    assert found.outcome == expected
    assert (found.cause == "") == (expected == "pass")


def test_the_cause_is_the_probes():
    found = probe(PASSED | {"status": "fail", "cause": "/demand must answer 200, found 500", "max_difference": None})
    assert found.cause == "the bento failed its probe: /demand must answer 200, found 500"
    assert found.number != found.number
