import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart import progress
from polymart.progress import Progress, parse


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def reported(capsys) -> list[int]:
    return [parse(line)[1] for line in capsys.readouterr().out.splitlines()]


def test_lines_are_rate_limited_but_the_first_and_the_last_always_appear(capsys, clock):
    report = Progress("train", total=100, unit="steps", every_s=2.0)
    for done in range(1, 101):
        clock.now += 0.125
        report(done)
    assert reported(capsys) == [1, 17, 33, 49, 65, 81, 97, 100]


def test_a_line_that_comes_late_enough_is_shown(capsys, clock):
    report = Progress("train", total=10, unit="steps", every_s=2.0)
    for done, after in ((1, 0.0), (2, 1.99), (3, 0.02)):
        clock.now += after
        report(done)
    assert reported(capsys) == [1, 3]


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=20)


@given(step=words, done=st.integers(0, 10**9), total=st.integers(0, 10**9), unit=words, note=words, before=words)
def test_a_reader_gets_back_what_was_reported(step, done, total, unit, note, before):
    line = "\t".join((progress.PREFIX, step, str(done), str(total), unit, note))
    assert parse(f"{before} {line}\n") == (step, done, total, unit, note)


@given(st.text())
def test_any_other_line_is_no_progress(line):
    assert progress.PREFIX in line or parse(line) is None


@pytest.mark.parametrize(
    "rest", ["", "a\t1", "a\tx\t2\tu\tn", "a\t1\t-2\tu\tn", "a\t1\t2\tu\tn\tmore", "a\t²\t3\tu\tn"]
)
def test_a_broken_progress_line_is_no_progress(rest):
    assert parse(f"{progress.PREFIX}\t{rest}") is None


def test_a_note_cannot_break_its_line(capsys):
    Progress("train", total=1, unit="steps")(1, "loss\t0.5\nnext")
    assert parse(capsys.readouterr().out) == ("train", 1, 1, "steps", "loss 0.5 next")
