"""An override names who and why, or it is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart.errors import GateError
from polymart.evaluation.records import Override
from polymart.gates import parse_override


def test_who_and_why_are_kept_and_nobody_is_none():
    assert parse_override("") is None
    assert parse_override("Ada Lovelace:  the champion\n loses orders: see #7 ") == Override(
        who="Ada Lovelace", why="the champion loses orders: see #7"
    )


@pytest.mark.parametrize("text", [" ", "Ada", "Ada:", "Ada: ", ": because", " : ", "Ada: " + "x" * 500])
def test_a_malformed_override_is_refused_with_an_example(text):
    with pytest.raises(GateError, match="must be '<who>: <why>'") as refused:
        parse_override(text)
    assert "--override" in refused.value.remedy


@given(st.from_regex(r"\w[\w ]{0,30}", fullmatch=True), st.from_regex(r"\w[\w:. ]{0,30}", fullmatch=True))
def test_its_text_is_read_back_as_the_same(who, why):
    once = parse_override(f"{who}: {why}")
    assert parse_override(str(once)) == once
