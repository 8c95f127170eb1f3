"""The retraining decision: each rule as a property of random histories."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitoring.decision import ROLLBACK_COMMAND, decide, is_bad
from monitoring.records import RetrainState, WindowSummary
from polymart.config import Monitoring
from polymart.errors import MonitoringError

START = datetime(2024, 1, 1)
DIGESTS = ["sha256:a", "sha256:b"]
EMPTY = RetrainState()


def window(index=0, drifted=0, *, columns=10, task="units", **fields):
    start = START + timedelta(days=14 * index)
    return WindowSummary(
        task=task,
        start=start,
        end=start + timedelta(days=14),
        num_columns=columns,
        num_drifted=min(drifted, columns),
        **{"data_digest": DIGESTS[0], **fields},
    )


@st.composite
def policies(draw):
    of_windows = draw(st.integers(1, 6))
    return Monitoring(
        share_of_drifted_columns=draw(st.sampled_from([0.1, 0.3, 0.5, 1.0])),
        of_windows=of_windows,
        bad_windows=draw(st.integers(1, of_windows)),
        cooldown_days=draw(st.integers(0, 40)),
    )


@st.composite
def histories(draw, *, tasks=1, broken=True, rollbacks=True):
    values = st.none() | st.sampled_from([0.2, 0.5, 0.8])
    none = st.none()
    return [
        window(
            index,
            draw(st.sampled_from([0, 1, 3, 5, 10])),
            columns=draw(st.sampled_from([0, 10, 10, 10])),
            task=f"task{task}",
            failures=draw(st.sampled_from([(), (), (), ("x: all values missing",)])) if broken else (),
            data_digest=draw(st.sampled_from(DIGESTS)),
            performance=draw(values if rollbacks else none),
            previous_performance=draw(values if rollbacks else none),
            gate=draw(values if rollbacks else none),
        )
        for task in range(tasks)
        for index in range(draw(st.integers(1, 8)))
    ]


STATES = st.builds(
    RetrainState,
    last_retrain_at=st.none() | st.datetimes(START, START + timedelta(days=100)),
    in_flight=st.booleans(),
    retrained_digests=st.lists(st.sampled_from(DIGESTS), unique=True).map(tuple),
)
NOWS = st.datetimes(START, START + timedelta(days=140))


def rule(*strategies):
    """`given`, with fewer examples: drawing histories is slow, and sixty a rule find every hand-made mutant."""
    return lambda test: settings(max_examples=60, deadline=None)(given(*strategies)(test))


@rule(histories(tasks=3), policies(), STATES, NOWS)
def test_broken_data_never_retrain(history, policy, state, now):
    newest = {one.task: one for one in history}
    assume(any(one.failures for one in newest.values()))
    decision = decide(history, policy, state, now)
    assert decision.action in ("watch", "rollback")
    assert any("data broken, stop and alert" in reason for reason in decision.reasons)


@rule(histories(), policies(), STATES, NOWS)
def test_broken_data_of_the_only_task_watch(history, policy, state, now):
    history[-1] = history[-1].model_copy(update={"failures": ("x: all values missing",)})
    assert decide(history, policy, state, now).action == "watch"


@rule(histories(tasks=2), policies(), STATES, NOWS)
def test_retrain_needs_a_bad_newest_window_and_enough_bad_ones(history, policy, state, now):
    decision = decide(history, policy, state, now)
    if decision.action == "retrain":
        mine = [one for one in history if one.task == decision.task]
        assert is_bad(mine[-1], policy)
        assert sum(is_bad(one, policy) for one in mine[-policy.of_windows :]) >= policy.bad_windows


@rule(histories(broken=False, rollbacks=False), policies(), NOWS)
def test_enough_bad_windows_retrain_when_nothing_forbids_it(history, policy, now):
    bad = [is_bad(one, policy) for one in history]
    due = bad[-1] and sum(bad[-policy.of_windows :]) >= policy.bad_windows
    assert (decide(history, policy, EMPTY, now).action == "retrain") is due


@rule(histories(tasks=2), policies(), st.integers(1, 40), st.floats(0, 0.99), NOWS)
def test_no_retraining_during_the_cool_down(history, policy, days, passed, now):
    policy = policy.model_copy(update={"cooldown_days": days})
    state = RetrainState(last_retrain_at=now - passed * timedelta(days=days))
    assert decide(history, policy, state, now).action != "retrain"


@rule(histories(tasks=2), policies(), STATES, NOWS)
def test_no_retraining_while_one_is_in_flight(history, policy, state, now):
    assert decide(history, policy, state.model_copy(update={"in_flight": True}), now).action != "retrain"


@rule(histories(tasks=2), policies(), STATES, NOWS)
def test_no_retraining_twice_on_the_same_data(history, policy, state, now):
    decision = decide(history, policy, state, now)
    assert not (decision.action == "retrain" and decision.data_digest in state.retrained_digests)


@rule(histories(broken=False, rollbacks=False), policies(), STATES, NOWS)
def test_a_bad_newest_window_is_never_kept_and_a_good_one_always(history, policy, state, now):
    newest = history[-1]
    expected = ("watch", "retrain") if is_bad(newest, policy) else ("keep",) if newest.num_columns else ("watch",)
    assert decide(history, policy, state, now).action in expected


@rule(st.integers(2, 5), st.data(), NOWS)
def test_bad_but_not_enough_watches(bad_windows, data, now):
    num_bad = data.draw(st.integers(0, bad_windows - 2))
    older = data.draw(st.permutations([10] * num_bad + [0] * 3))
    history = [window(index, drifted) for index, drifted in enumerate([*older, 10])]
    assert decide(history, Monitoring(bad_windows=bad_windows, of_windows=5), EMPTY, now).action == "watch"


@rule(histories(), policies(), STATES, NOWS)
def test_rollback_iff_below_the_gate_and_the_previous_release_was_not(history, policy, state, now):
    newest = history[-1]
    known = None not in (newest.performance, newest.previous_performance, newest.gate)
    expected = known and newest.performance < newest.gate <= newest.previous_performance and not newest.failures
    assert (decide(history, policy, state, now).action == "rollback") is expected


@rule(histories(tasks=3), policies(), STATES, NOWS, st.randoms())
def test_order_does_not_matter_and_every_decision_has_reasons(history, policy, state, now, random):
    decision = decide(history, policy, state, now)
    shuffled = random.sample(history, len(history))
    assert decide(shuffled, policy, state, now) == decision
    assert len(decision.reasons) == len({one.task for one in history})
    assert decision.reasons[0].startswith(decision.task)


@rule(histories(), policies(), STATES, NOWS)
def test_windows_older_than_the_last_n_do_not_matter(history, policy, state, now):
    assert decide(history, policy, state, now) == decide(history[-policy.of_windows :], policy, state, now)


def test_an_error_is_better_when_lower():
    worse = window(performance=3.0, gate=2.0, previous_performance=1.0, higher_is_better=False)
    assert decide([worse], Monitoring(), EMPTY, START).action == "rollback"
    assert decide([worse.model_copy(update={"performance": 1.5})], Monitoring(), EMPTY, START).action == "keep"


def test_reasons_carry_numbers_and_commands_fit_the_action():
    history = [window(0, 4), window(1, 5)]
    decision = decide(history, Monitoring(), EMPTY, START, command="polymart submit training")
    assert decision.action == "retrain"
    assert "5 of 10 columns drifted (50%; a window is bad from 30%)" in decision.reasons[0]
    assert "2 of the last 2 windows bad (retrain from 2 of 5)" in decision.reasons[0]
    assert decision.command == "polymart submit training"
    bad_release = window(performance=0.1, gate=0.5, previous_performance=0.6)
    assert decide([bad_release], Monitoring(), EMPTY, START, command="x").command == ROLLBACK_COMMAND


def test_exactly_the_share_and_exactly_the_cool_down():
    state = RetrainState(last_retrain_at=START)
    history = [window(0, 3), window(1, 3)]
    assert decide(history, Monitoring(), state, START + timedelta(days=7)).action == "retrain"
    assert decide(history, Monitoring(), state, START + timedelta(days=7, seconds=-1)).action == "watch"
    assert decide([window(0, 3), window(1, 2)], Monitoring(), EMPTY, START).action == "keep"


def test_one_task_that_must_wait_does_not_hold_back_another():
    waiting = [window(0, 0, task="a"), window(1, 5, task="a")]
    due = [window(0, 5, task="b"), window(1, 5, task="b")]
    decision = decide([*waiting, *due], Monitoring(), EMPTY, START)
    assert (decision.action, decision.task) == ("retrain", "b")


def test_nothing_to_judge_is_kept_and_said():
    assert "nothing was judged" in decide([], Monitoring(), EMPTY, START).reasons[0]


def test_a_window_given_twice_is_refused():
    with pytest.raises(MonitoringError, match="two windows that start"):
        decide([window(0), window(0)], Monitoring(), EMPTY, START)
