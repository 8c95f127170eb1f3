"""Two answers to one request, compared and logged below ``comparisons`` of the prediction log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from serving.experiments.metrics import COMPARED, SAME_BEST
from serving.log.hourly import HourlyLog, Row

FOLDER = "comparisons"
STAMP = ("prediction_id", "checkpoint", "variant")
SCHEMA = pa.schema({
    "event_timestamp": pa.timestamp("us"),  # naive UTC
    "endpoint": pa.string(),
    "prediction_id": pa.string(),  # of the answer that was returned
    "checkpoint": pa.string(),
    "variant": pa.string(),
    "latency_ms": pa.float32(),
    "shadow_prediction_id": pa.string(),  # null where the shadow did not answer
    "shadow_checkpoint": pa.string(),
    "shadow_variant": pa.string(),
    "shadow_latency_ms": pa.float32(),
    "shadow_status": pa.int32(),  # 0: no answer in time
    "same_best": pa.bool_(),  # the best entry of every ranking is the same
    "overlap": pa.float32(),  # share of entries that both rankings hold, 0 to 1; the worst ranking's
    "largest_difference": pa.float32(),  # between two scores of the same entry
})  # fmt: skip


class ComparisonLog(HourlyLog):
    """Takes rows of the plain columns of `SCHEMA` and both answers' bodies, ``served`` and ``shadowed`` (or None)."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        super().__init__(folder / FOLDER, SCHEMA, "comparison", **limits)

    def render(self, row: Row) -> Row:
        """Compare the bodies; here, in the log's own thread, it costs no request anything."""
        served = json.loads(row["served"])
        row = row | {name: served.get(name) for name in STAMP}
        if row["shadowed"] is None:
            return row
        shadowed = json.loads(row["shadowed"])
        found = compare(served, shadowed)
        COMPARED.labels(row["shadow_variant"], row["endpoint"]).inc()
        SAME_BEST.labels(row["shadow_variant"], row["endpoint"]).inc(bool(found["same_best"]))
        return row | found | {f"shadow_{name}": shadowed.get(name) for name in STAMP[:2]}


def compare(served: Any, shadowed: Any) -> dict[str, Any]:
    """``same_best``, ``overlap`` and ``largest_difference`` of two answers; None where neither scores anything."""
    ours, theirs = dict(rankings(served)), dict(rankings(shadowed))
    if not ours and not theirs:
        return dict.fromkeys(("same_best", "overlap", "largest_difference"))
    pairs = [(ours.get(path, {}), theirs.get(path, {})) for path in ours.keys() | theirs.keys()]
    gaps = [abs(a[name] - b[name]) for a, b in pairs for name in a.keys() & b.keys()]
    return {
        "same_best": all(a and b and max(a, key=a.__getitem__) == max(b, key=b.__getitem__) for a, b in pairs),
        "overlap": min(len(a.keys() & b.keys()) / max(len(a), len(b)) for a, b in pairs),
        "largest_difference": max(gaps, default=None),
    }


def rankings(answer: Any, path: str = "") -> Iterator[tuple[str, dict[str, float]]]:
    """Every set of scores in an answer, with where it stands: a score is a float, whatever its endpoint calls it.

    In a mapping each score is named by its key; in a list of entries by what else the entry holds, a label or an id.
    """
    if isinstance(answer, dict):
        if scores := {name: value for name, value in answer.items() if isinstance(value, float)}:
            yield path, scores
        for name, value in answer.items():
            yield from rankings(value, f"{path}/{name}")
    if isinstance(answer, list):
        entries = {_name(entry): entry for entry in answer if isinstance(entry, dict)}
        columns = {column for entry in entries.values() for column, value in entry.items() if isinstance(value, float)}
        for column in columns:
            yield f"{path}/{column}", {n: e[column] for n, e in entries.items() if isinstance(e.get(column), float)}


def _name(entry: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in entry.items() if isinstance(value, str | int)})
