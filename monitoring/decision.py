"""The decision: keep, watch, retrain or rollback. A pure function of history, policy, state and the two clocks.

Rules of one task, first match wins; "newest" is its newest window:

1. newest broken: watch. Broken data never cause a retraining; they ask for a repair.
2. the newest labelled window, among the last ``of_windows``, misses the gate and the previous release would not:
   rollback.
3. newest bad, with at least ``bad_windows`` bad among the last ``of_windows``: retrain, unless it is less severe than
   ``min_severity`` or one of `monitoring.blocks` holds it back; then watch.
4. newest bad, or not judged for want of rows, or the newest labels miss the gate: watch.
5. otherwise: keep.

A window is bad when enough of its columns drifted, when its labels miss the gate, or when a signal moved that is
expected to cost as much.

All tasks share one encoder and are retrained together: rollback outranks broken data (of another task), which
outrank retrain, which outranks watch, which outranks keep; within a rank the most severe task speaks first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import NamedTuple

from monitoring.blocks import blocks
from monitoring.records import Action, Decision, RetrainState, Rule, WindowSummary
from polymart.config import Monitoring
from polymart.errors import MonitoringError

ROLLBACK_COMMAND = "polymart deploy rollback --environment local"
_RANK = {"keep": 0, "watch": 1, "retrain": 2, "broken": 3, "rollback": 4}


class _Verdict(NamedTuple):
    """What one task asks for."""

    rank: str
    reason: str
    newest: WindowSummary
    severity: float = 0.0
    blocked_by: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class _Case:
    """What all tasks are judged by."""

    policy: Monitoring
    state: RetrainState
    now: datetime
    clock: datetime
    heaviest: float
    """The largest weight of a task."""


def is_bad(window: WindowSummary, policy: Monitoring) -> bool:
    """Whether a window is evidence against the release; broken windows never are."""
    if window.failures:
        return False
    return window.misses_gate or bool(window.alarms) or _drifted(window, policy)


def _drifted(window: WindowSummary, policy: Monitoring) -> bool:
    return bool(window.num_columns) and window.share >= policy.share_of_drifted_columns


def _judge(windows: Sequence[WindowSummary], case: _Case) -> _Verdict:
    """Apply the module's rules to one task; the function is their list, so it is flat."""
    newest, recent = windows[-1], windows[-case.policy.of_windows :]
    weight = newest.weight / case.heaviest
    if newest.failures:
        reason = f"{_days(newest)}: data broken, stop and alert: {'; '.join(newest.failures)}"
        return _Verdict("broken", reason, newest, weight)
    labelled = next((one for one in reversed(recent) if one.performance is not None and not one.failures), None)
    missed = labelled if labelled and labelled.misses_gate else None
    if missed and missed.previous_passes:
        reason = f"{_days(missed)}: {_performance(missed)}, the previous release's {missed.previous_performance:.4g} "
        return _Verdict("rollback", reason + "does not", newest, weight)
    reason = _evidence(newest, recent, case.policy) + (f"; {_days(missed)}: {_performance(missed)}" if missed else "")
    if not is_bad(newest, case.policy):
        judged = newest.num_columns or newest.performance is not None
        return _Verdict("watch" if missed or not judged else "keep", reason, newest, weight if missed else 0.0)
    severity = weight * (1.0 if newest.misses_gate or newest.alarms else newest.share)
    if sum(is_bad(one, case.policy) for one in recent) < case.policy.bad_windows:
        return _Verdict("watch", reason, newest, severity)
    held = _held_back(newest, severity, case)
    suffix = f"; no retraining: {', '.join(held.values())}" if held else ""
    return _Verdict("watch" if held else "retrain", reason + suffix, newest, severity, tuple(held))


def _held_back(newest: WindowSummary, severity: float, case: _Case) -> dict[Rule, str]:
    least = case.policy.min_severity
    slight: dict[Rule, str] = {"severity": f"severity {severity:.2g} is below {least:.2g}"} if severity < least else {}
    return slight | blocks(newest.data_digest, case.policy, case.state, case.now, case.clock)


def _days(window: WindowSummary) -> str:
    return f"{window.task}, {window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"


def _performance(window: WindowSummary) -> str:
    unknown = f" ({window.previous_note})" if window.previous_note else ""
    return f"performance {window.performance:.4g} misses the gate {window.gate:.4g}{unknown}"


def _evidence(newest: WindowSummary, recent: Sequence[WindowSummary], policy: Monitoring) -> str:
    drift = (
        f"{newest.num_drifted} of {newest.num_columns} columns drifted "
        f"({newest.share:.0%}; a window is bad from {policy.share_of_drifted_columns:.0%})"
        if newest.num_columns
        else "not judged, too few rows"
    )
    num_bad = sum(is_bad(window, policy) for window in recent)
    count = (
        f"{num_bad} of the last {len(recent)} windows bad (retrain from {policy.bad_windows} of {policy.of_windows})"
    )
    return "; ".join([f"{_days(newest)}: {drift}", *newest.alarms, count])


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
    clock: datetime | None = None,
    command: str = "",
    rollback_command: str = ROLLBACK_COMMAND,
) -> Decision:
    """Decide by the rules of this module.

    Args:
        history: windows of any number of tasks, in any order.
        policy: shares, counts and days of the suite.
        state: earlier retrainings and a person's hold.
        now: naive UTC; pass event time so that the same data give the same decision.
        clock: the wall clock, naive UTC, for quiet hours and holds; ``now`` where it is not given, as in a replay.
        command: what would be submitted to retrain.
        rollback_command: what would be submitted to roll back.

    Raises:
        MonitoringError: a window of a task is given twice.
    """
    case = _Case(policy, state, now, clock or now, max((window.weight for window in history), default=1.0))
    verdicts = [_judge(windows, case) for windows in _by_task(history)]
    verdicts.sort(key=lambda verdict: verdict.newest.end, reverse=True)
    verdicts.sort(key=lambda verdict: (-_RANK[verdict.rank], -verdict.severity))
    if not verdicts:
        return Decision(
            action="keep",
            reasons=("no task has windows of event time, so nothing was judged",),
            decided_at=now,
            command=command,
            rollback_command=rollback_command,
        )
    first = verdicts[0]
    action: Action = "watch" if first.rank == "broken" else first.rank  # type: ignore[assignment]
    due = next((verdict for verdict in verdicts if verdict.blocked_by), None) if action == "watch" else None
    return Decision(
        action=action,
        reasons=tuple(verdict.reason for verdict in verdicts),
        task=first.newest.task,
        severity=round(first.severity, 4),
        blocked_by=due.blocked_by if due else (),
        decided_at=now,
        window_start=first.newest.start,
        window_end=first.newest.end,
        data_digest=first.newest.data_digest,
        command=rollback_command if action == "rollback" else command,
        rollback_command=rollback_command,
    )
