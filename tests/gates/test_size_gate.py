"""A checkpoint that is too large is refused; one that was not weighed is no pass."""

import pytest
from fixtures.judged import NAN, evaluation, results, suite_of, task


@pytest.mark.parametrize(
    ("size_mb", "expected", "cause"),
    [
        (300.0, "pass", ""),
        (300.1, "fail", "the checkpoint has 300.1 MB; 300 MB are allowed"),
        (NAN, "inconclusive", "the checkpoint has nan MB; 300 MB are allowed"),
        (None, "inconclusive", "the checkpoint's size was not measured"),
    ],
)
def test_the_rule(size_mb, expected, cause):
    (found,) = results("size", evaluation(task(), size_mb=size_mb), suite_of(size_mb=300.0))
    assert (found.outcome, found.cause) == (expected, cause)


def test_nobody_asks_by_default():
    assert results("size", evaluation(task(), size_mb=1e9), suite_of()) == []
