"""Gates: what a candidate must show before it becomes a release, one file a gate; inconclusive does not pass."""

from polymart.gates.override import parse_override
from polymart.gates.verdict import explain, judge, judge_release, worst

__all__ = ["explain", "judge", "judge_release", "parse_override", "worst"]
