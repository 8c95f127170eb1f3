"""The retraining decision: each rule as a property of random histories."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from monitoring.blocks import blocks
from monitoring.decision import ROLLBACK_COMMAND, decide, is_bad
from monitoring.records import Hold, RetrainState, Run, WindowSummary
from polymart.config import Monitoring
from polymart.config.monitoring import QuietHours
from polymart.errors import MonitoringError

START = datetime(2024, 1, 1)
DIGESTS = ["sha256:a", "sha256:b"]
EMPTY = RetrainState()
RUN = Run(name="retrain-a-1", data_digest=DIGESTS[0])


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
        min_severity=draw(st.sampled_from([0.0, 0.2])),
        cooldown_days=draw(st.integers(0, 40)),
        retrainings_per_week=draw(st.integers(0, 3)),
        quiet_hours=draw(st.none() | st.just(QuietHours(start="22:00", end="06:00"))),
    )


@st.composite
def histories(draw, *, tasks=1, broken=True, labels=True):
    """Windows of some tasks, oldest first; all of a task have its weight."""
    values = st.none() | st.sampled_from([0.2, 0.5, 0.8]) if labels else st.none()
    history = []
    for task in range(tasks):
        weight = draw(st.sampled_from([0.1, 1.0, 5.0]))
        history += [
            window(
                index,
                draw(st.sampled_from([0, 1, 3, 5, 10])),
                columns=draw(st.sampled_from([0, 10, 10, 10])),
                task=f"task{task}",
                failures=draw(st.sampled_from([(), (), (), ("x: all values missing",)])) if broken else (),
                alarms=draw(st.sampled_from([(), (), ("length of title moved",)])),
                data_digest=draw(st.sampled_from(DIGESTS)),
                weight=weight,
                performance=draw(values),
                previous_performance=draw(values),
                gate=draw(values),
            )
            for index in range(draw(st.integers(1, 8)))
        ]
    return history


MOMENTS = st.datetimes(START, START + timedelta(days=140))
STATES = st.builds(
    RetrainState,
    started=st.lists(MOMENTS, max_size=4).map(lambda times: tuple(sorted(times))),
    in_flight=st.none() | st.just(RUN),
    retrained_digests=st.lists(st.sampled_from(DIGESTS), unique=True).map(tuple),
    hold=st.none() | st.builds(Hold, by=st.just("Ada"), reason=st.just("sale"), until=MOMENTS),
)


def rule(*strategies):
    """`given`, with fewer examples: drawing histories is slow, and sixty a rule find every hand-made mutant."""
    return lambda test: settings(max_examples=60, deadline=None)(given(*strategies)(test))


def held(rule_name, history, policy, state, now):
    """Whether a retraining that is due without ``state`` is held back by the named rule."""
    free = decide(history, policy, EMPTY, now, clock=datetime.combine(now, time(12)))
    assume(free.action == "retrain")
    decision = decide(history, policy, state, now)
    assert decision.action == "watch"
    assert rule_name in decision.blocked_by
    return decision


DUE = histories(broken=False, labels=False).map(lambda windows: [*windows, window(8, 10, task="task0")])
"""Histories that often end in a retraining."""
READY = policies().map(
    lambda policy: policy.model_copy(update={"retrainings_per_week": 9, "min_severity": 0.0, "cooldown_days": 0})
)


@rule(histories(tasks=3), policies(), STATES, MOMENTS)
def test_broken_data_never_retrain(history, policy, state, now):
    newest = {one.task: one for one in history}
    assume(any(one.failures for one in newest.values()))
    decision = decide(history, policy, state, now)
    assert decision.action in ("watch", "rollback")
    assert any("data broken, stop and alert" in reason for reason in decision.reasons)


@rule(histories(), policies(), STATES, MOMENTS)
def test_broken_data_of_the_only_task_watch(history, policy, state, now):
    history[-1] = history[-1].model_copy(update={"failures": ("x: all values missing",)})
    assert decide(history, policy, state, now).action == "watch"


@rule(histories(tasks=2, broken=False, labels=False), READY, MOMENTS)
def test_retrain_needs_a_bad_newest_window_and_enough_bad_ones(history, policy, now):
    decision = decide(history, policy, EMPTY, now, clock=datetime.combine(now, time(12)))
    if decision.action == "retrain":
        mine = [one for one in history if one.task == decision.task]
        assert is_bad(mine[-1], policy)
        assert sum(is_bad(one, policy) for one in mine[-policy.of_windows :]) >= policy.bad_windows


@rule(histories(broken=False, labels=False), READY, MOMENTS)
def test_enough_bad_windows_retrain_when_nothing_forbids_it(history, policy, now):
    bad = [is_bad(one, policy) for one in history]
    due = bad[-1] and sum(bad[-policy.of_windows :]) >= policy.bad_windows
    assert (decide(history, policy, EMPTY, now, clock=datetime.combine(now, time(12))).action == "retrain") is due


@rule(DUE, READY, st.integers(1, 40), st.floats(0, 0.99), MOMENTS)
def test_no_retraining_during_the_cool_down(history, policy, days, passed, now):
    policy = policy.model_copy(update={"cooldown_days": days})
    held("cool_down", history, policy, RetrainState(started=(now - passed * timedelta(days=days),)), now)


@rule(DUE, READY, MOMENTS)
def test_no_retraining_while_one_is_in_flight(history, policy, now):
    held("in_flight", history, policy, RetrainState(in_flight=RUN), now)


@rule(DUE, READY, MOMENTS)
def test_no_retraining_twice_on_the_same_data(history, policy, now):
    held("same_data", history, policy, RetrainState(retrained_digests=(DIGESTS[0],)), now)


@rule(DUE, READY, st.integers(1, 3), st.data(), MOMENTS)
def test_no_retraining_beyond_the_budget_of_a_week(history, policy, budget, data, now):
    week = st.timedeltas(timedelta(0), timedelta(days=6, hours=23))
    started = tuple(now - ago for ago in data.draw(st.lists(week, min_size=budget, max_size=5)))
    policy = policy.model_copy(update={"retrainings_per_week": budget})
    held("budget", history, policy, RetrainState(started=started), now)


@rule(DUE, READY, st.timedeltas(timedelta(seconds=1), timedelta(days=9)), MOMENTS)
def test_no_retraining_while_a_person_holds_it(history, policy, left, now):
    hold = Hold(by="Ada", reason="Christmas sale", until=now + left)
    decision = held("hold", history, policy, RetrainState(hold=hold), now)
    assert "held by Ada" in decision.reasons[0]
    assert "Christmas sale" in decision.reasons[0]


@rule(DUE, READY, st.sampled_from([0, 3, 5, 22, 23]), MOMENTS)
def test_no_retraining_in_quiet_hours(history, policy, hour, now):
    policy = policy.model_copy(update={"quiet_hours": QuietHours(start="22:00", end="06:00")})
    now = now.replace(hour=hour)
    held("quiet_hours", history, policy, EMPTY, now)


@rule(histories(tasks=3, broken=False, labels=False), READY, MOMENTS)
def test_a_retraining_is_never_less_severe_than_asked(history, policy, now):
    policy = policy.model_copy(update={"min_severity": 0.2, "quiet_hours": None})
    decision = decide(history, policy, EMPTY, now)
    if decision.action == "retrain":
        newest = [one for one in history if one.task == decision.task][-1]
        weight = newest.weight / max(one.weight for one in history)
        strength = 1 if newest.misses_gate or newest.alarms else newest.share
        assert decision.severity == pytest.approx(weight * strength, abs=1e-4)
        assert decision.severity >= policy.min_severity - 1e-4


@rule(histories(tasks=3), policies(), STATES, MOMENTS)
def test_no_task_that_asks_for_the_same_is_more_severe_than_the_deciding_one(history, policy, state, now):
    whole = decide(history, policy, state, now)
    alone = [
        decide([*[one for one in history if one.task == task], heaviest(history)], policy, state, now)
        for task in {one.task for one in history}
    ]
    same = [one.severity for one in alone if one.action == whole.action and "broken" not in one.reasons[0]]
    if "broken" not in whole.reasons[0]:
        assert whole.severity >= max(same, default=0)


def heaviest(history):
    """A sound window that has the weight of the heaviest task, so that severities stay comparable."""
    return window(0, task="zzz", weight=max(one.weight for one in history))


@rule(histories(tasks=2), policies(), STATES, MOMENTS)
def test_nothing_is_retrained_that_any_rule_forbids(history, policy, state, now):
    decision = decide(history, policy, state, now)
    if decision.action == "retrain":
        assert not blocks(decision.data_digest, policy, state, now, now)
        assert not decision.blocked_by


@rule(histories(broken=False, labels=False), policies(), STATES, MOMENTS)
def test_a_bad_newest_window_is_never_kept_and_a_good_one_always(history, policy, state, now):
    newest = history[-1]
    expected = ("watch", "retrain") if is_bad(newest, policy) else ("keep",) if newest.num_columns else ("watch",)
    assert decide(history, policy, state, now).action in expected


@rule(st.integers(2, 5), st.data(), MOMENTS)
def test_bad_but_not_enough_watches(bad_windows, data, now):
    num_bad = data.draw(st.integers(0, bad_windows - 2))
    older = data.draw(st.permutations([10] * num_bad + [0] * 3))
    history = [window(index, drifted) for index, drifted in enumerate([*older, 10])]
    assert decide(history, Monitoring(bad_windows=bad_windows, of_windows=5), EMPTY, now).action == "watch"


@st.composite
def labelled(draw):
    """Windows that are often labelled, against the gate 0.5."""
    numbers, broken = st.sampled_from([None, 0.2, 0.8]), st.sampled_from([(), (), (), ("x: all values missing",)])
    return [
        window(index, failures=draw(broken), performance=draw(numbers), previous_performance=draw(numbers), gate=0.5)
        for index in range(draw(st.integers(1, 6)))
    ]


@rule(labelled(), policies(), STATES, MOMENTS)
def test_rollback_iff_below_the_gate_and_the_previous_release_was_not(history, policy, state, now):
    known = [one for one in history[-policy.of_windows :] if one.performance is not None and not one.failures]
    expected = bool(known) and (known[-1].performance, known[-1].previous_performance) == (0.2, 0.8)
    expected = expected and not history[-1].failures
    assert (decide(history, policy, state, now).action == "rollback") is expected


@rule(histories(), policies(), STATES, MOMENTS)
def test_labels_below_the_gate_are_never_kept(history, policy, state, now):
    history[-1] = history[-1].model_copy(update={"performance": 0.4, "gate": 0.5, "failures": ()})
    decision = decide(history, policy, state, now)
    assert decision.action != "keep"
    assert "misses the gate 0.5" in decision.reasons[0]


@rule(histories(tasks=3), policies(), STATES, MOMENTS, st.randoms())
def test_order_does_not_matter_and_every_decision_has_reasons(history, policy, state, now, random):
    decision = decide(history, policy, state, now)
    shuffled = random.sample(history, len(history))
    assert decide(shuffled, policy, state, now) == decision
    assert len(decision.reasons) == len({one.task for one in history})
    assert decision.reasons[0].startswith(decision.task)


@rule(histories(), policies(), STATES, MOMENTS)
def test_windows_older_than_the_last_n_do_not_matter(history, policy, state, now):
    assert decide(history, policy, state, now) == decide(history[-policy.of_windows :], policy, state, now)


@rule(histories(tasks=2), policies(), STATES, MOMENTS, MOMENTS)
def test_the_wall_clock_matters_to_quiet_hours_and_holds_alone(history, policy, state, now, clock):
    policy, state = policy.model_copy(update={"quiet_hours": None}), state.model_copy(update={"hold": None})
    assert decide(history, policy, state, now, clock=clock) == decide(history, policy, state, now)


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


def test_exactly_the_share_the_cool_down_and_the_week():
    state, policy = RetrainState(started=(START,)), Monitoring(retrainings_per_week=1)
    history = [window(0, 3), window(1, 3)]
    assert decide(history, policy, state, START + timedelta(days=7)).action == "retrain"
    early = decide(history, policy, state, START + timedelta(days=7, seconds=-1))
    assert (early.action, early.blocked_by) == ("watch", ("cool_down", "budget"))
    assert decide([window(0, 3), window(1, 2)], Monitoring(), EMPTY, START).action == "keep"


def test_labels_come_late_and_still_roll_back_for_a_while():
    bad = window(0, performance=0.1, gate=0.5, previous_performance=0.6)
    later = [window(index) for index in (1, 2)]
    assert decide([bad, *later], Monitoring(of_windows=3), EMPTY, START).action == "rollback"
    assert decide([bad, *later], Monitoring(of_windows=2), EMPTY, START).action == "keep"
    hopeless = bad.model_copy(update={"previous_performance": 0.1})
    assert decide([hopeless, *later], Monitoring(of_windows=3), EMPTY, START).action == "watch"


def test_labels_below_the_gate_retrain_where_the_previous_release_would_be_no_better():
    history = [window(index, performance=0.4, gate=0.5, previous_performance=0.3) for index in (0, 1)]
    assert decide(history[:1], Monitoring(), EMPTY, START).action == "watch"
    decision = decide(history, Monitoring(), EMPTY, START)
    assert (decision.action, decision.severity) == ("retrain", 1.0)


def test_a_light_task_alone_does_not_retrain_the_shared_model():
    light = [window(index, 5, task="light", weight=0.05) for index in (0, 1)]
    decision = decide([*light, window(0, task="heavy", weight=1.0)], Monitoring(), EMPTY, START)
    assert (decision.action, decision.blocked_by) == ("watch", ("severity",))
    assert decide(light, Monitoring(), EMPTY, START).action == "retrain"


@pytest.mark.parametrize(("clock", "quiet"), [("05:59", True), ("06:00", False), ("21:59", False), ("22:00", True)])
def test_quiet_hours_may_span_midnight(clock, quiet):
    at = datetime.combine(START, time.fromisoformat(clock))
    assert QuietHours(start="22:00", end="06:00").hold_at(at) is quiet
    assert QuietHours(start="06:00", end="22:00").hold_at(at) is not quiet


def test_quiet_hours_are_hours():
    for wrong in (
        {"start": "7", "end": "22:00"},
        {"start": "24:00", "end": "22:00"},
        {"start": "07:00", "end": "07:00"},
    ):
        with pytest.raises(ValidationError):
            QuietHours(**wrong)


def test_one_task_that_must_wait_does_not_hold_back_another():
    waiting = [window(0, 0, task="a"), window(1, 5, task="a")]
    due = [window(0, 5, task="b"), window(1, 5, task="b")]
    decision = decide([*waiting, *due], Monitoring(), EMPTY, START)
    assert (decision.action, decision.task) == ("retrain", "b")


def test_of_equals_the_one_with_the_latest_window_speaks_first():
    for late, early in (("a", "b"), ("b", "a")):
        history = [window(0, task=early), *(window(index, task=late) for index in range(3))]
        assert decide(history, Monitoring(), EMPTY, START).task == late


def test_nothing_to_judge_is_kept_and_said():
    assert "nothing was judged" in decide([], Monitoring(), EMPTY, START).reasons[0]


def test_a_window_given_twice_is_refused():
    with pytest.raises(MonitoringError, match="two windows that start"):
        decide([window(0), window(0)], Monitoring(), EMPTY, START)
