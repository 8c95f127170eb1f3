"""The decision: keep, watch, retrain or rollback. A pure function of history, policy, state and time.

Rules of one task, first match wins; "newest" is its newest window:

1. newest broken: watch. Broken data never cause a retraining; they ask for a repair.
2. newest labelled performance below the gate, and the previous release's was not: rollback.
3. newest bad, with at least ``bad_windows`` bad among the last ``of_windows``: retrain, unless a cool-down is
   active, a retraining is in flight, or these very data were retrained on already; then watch.
4. newest bad, or not judged for want of rows: watch.
5. otherwise: keep.

All tasks share one encoder and are retrained together: rollback outranks broken data (of another task), which
outrank retrain, which outranks watch, which outranks keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import NamedTuple

from monitoring.records import Action, Decision, RetrainState, WindowSummary
from polymart.config import Monitoring
from polymart.errors import MonitoringError

ROLLBACK_COMMAND = "polymart deploy rollback --environment local"
_RANK = {"keep": 0, "watch": 1, "retrain": 2, "broken": 3, "rollback": 4}


class _Verdict(NamedTuple):
    rank: str
    reason: str
    newest: WindowSummary


def is_bad(window: WindowSummary, policy: Monitoring) -> bool:
    """Whether enough judged columns drifted; broken and unjudged windows are never bad."""
    if window.failures or not window.num_columns:
        return False
    return window.num_drifted / window.num_columns >= policy.share_of_drifted_columns


def _below(value: float, window: WindowSummary) -> bool:
    assert window.gate is not None
    return value < window.gate if window.higher_is_better else value > window.gate


def _needs_rollback(window: WindowSummary) -> bool:
    if window.performance is None or window.gate is None or window.previous_performance is None:
        return False
    return _below(window.performance, window) and not _below(window.previous_performance, window)


def _blocks(newest: WindowSummary, policy: Monitoring, state: RetrainState, now: datetime) -> list[str]:
    blocks = []
    if state.last_retrain_at is not None and now - state.last_retrain_at < timedelta(days=policy.cooldown_days):
        blocks.append(f"cool-down of {policy.cooldown_days} days since {state.last_retrain_at:%Y-%m-%d} is active")
    if state.in_flight:
        blocks.append("a retraining is in flight")
    if newest.data_digest in state.retrained_digests:
        blocks.append(f"these data ({newest.data_digest[:19]}) were already retrained on")
    return blocks


def _judge(windows: Sequence[WindowSummary], policy: Monitoring, state: RetrainState, now: datetime) -> _Verdict:
    """Apply the module's rules to one task; the function is their list, so it is long and flat."""
    newest = windows[-1]
    days = f"{newest.task}, {newest.start:%Y-%m-%d} to {newest.end:%Y-%m-%d}"
    share = newest.num_drifted / newest.num_columns if newest.num_columns else 0.0
    drift = (
        f"{days}: {newest.num_drifted} of {newest.num_columns} columns drifted "
        f"({share:.0%}; a window is bad from {policy.share_of_drifted_columns:.0%})"
    )
    num_bad = sum(is_bad(window, policy) for window in windows[-policy.of_windows :])
    count = (
        f"{num_bad} of the last {min(len(windows), policy.of_windows)} windows bad "
        f"(retrain from {policy.bad_windows} of {policy.of_windows})"
    )
    if newest.failures:
        return _Verdict("broken", f"{days}: data broken, stop and alert: {'; '.join(newest.failures)}", newest)
    if _needs_rollback(newest):
        return _Verdict(
            "rollback",
            f"{days}: performance {newest.performance:.4g} misses the gate {newest.gate:.4g}, "
            f"the previous release's {newest.previous_performance:.4g} does not",
            newest,
        )
    if not newest.num_columns:
        return _Verdict("watch", f"{days}: not judged, too few rows", newest)
    if not is_bad(newest, policy):
        return _Verdict("keep", f"{drift}; {count}", newest)
    if num_bad < policy.bad_windows:
        return _Verdict("watch", f"{drift}; {count}", newest)
    blocks = _blocks(newest, policy, state, now)
    suffix = f"; no retraining: {', '.join(blocks)}" if blocks else ""
    return _Verdict("watch" if blocks else "retrain", f"{drift}; {count}{suffix}", newest)


def _by_task(history: Iterable[WindowSummary]) -> list[list[WindowSummary]]:
    ordered = sorted(history, key=lambda window: (window.task, window.start))
    for one, other in pairwise(ordered):
        if (one.task, one.start) == (other.task, other.start):
            raise MonitoringError(
                f"task {one.task!r} has two windows that start at {one.start}; one is allowed",
                remedy="drop the older summary of that window",
            )
    return [list(group) for _, group in groupby(ordered, key=lambda window: window.task)]


def decide(
    history: Sequence[WindowSummary],
    policy: Monitoring,
    state: RetrainState,
    now: datetime,
    *,
    command: str = "",
    rollback_command: str = ROLLBACK_COMMAND,
) -> Decision:
    """Decide by the rules of this module.

    Args:
        history: windows of any number of tasks, in any order.
        policy: shares, counts and days of the suite.
        state: earlier retrainings.
        now: the clock, naive UTC; pass event time so that the same data give the same decision.
        command: what would be submitted to retrain.
        rollback_command: what would be submitted to roll back.

    Raises:
        MonitoringError: a window of a task is given twice.
    """
    verdicts = [_judge(windows, policy, state, now) for windows in _by_task(history)]
    verdicts.sort(key=lambda verdict: verdict.newest.end, reverse=True)
    verdicts.sort(key=lambda verdict: -_RANK[verdict.rank])
    if not verdicts:
        return Decision(
            action="keep",
            reasons=("no task has windows of event time, so nothing was judged",),
            decided_at=now,
            command=command,
        )
    first = verdicts[0]
    action: Action = "watch" if first.rank == "broken" else first.rank  # type: ignore[assignment]
    return Decision(
        action=action,
        reasons=tuple(verdict.reason for verdict in verdicts),
        task=first.newest.task,
        decided_at=now,
        window_start=first.newest.start,
        window_end=first.newest.end,
        data_digest=first.newest.data_digest,
        command=rollback_command if action == "rollback" else command,
    )
