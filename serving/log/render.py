"""Features and outputs as compact JSON, without what names a person."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from serving.log.scrub import scrub

DIGITS = 6
"""Significant digits of a logged number."""
MAX_OUTPUTS = 10
"""Entries of an answer that are logged: the best ones, since answers come best first."""
HOUSEHOLD_ID, HOUSEHOLD = "household_id", "household"
FREE_TEXT = "text"
"""Features whose names end so hold free text: the log leaves them out, unless it keeps texts."""


def pseudonym(household_id: int, key: bytes) -> str:
    """HMAC-SHA256 of a household id, 64 hex digits: stable under one key, not reversible without it."""
    return hmac.new(key, f"{HOUSEHOLD}:{household_id}".encode(), hashlib.sha256).hexdigest()


def features_json(
    read: Sequence[tuple[dict[str, int], dict[str, Any]]],
    keys: Mapping[str, int],
    key: bytes,
    *,
    keep_text: bool,
) -> str | None:
    """The features that one answer used; None where it used none.

    Args:
        read: features that the request read, as pairs of entity keys and values.
        keys: entity keys of the answer; of ``read``, what belongs to other entities is left out.
        key: secret of the pseudonyms.
        keep_text: keep free text, scrubbed; else it is left out.
    """
    used: dict[str, Any] = {}
    for entity, row in read:
        if entity.items() <= keys.items():
            used |= row
    if not keep_text:
        used = {name: value for name, value in used.items() if not name.endswith(FREE_TEXT)}
    return _json(_plain(used, key)) if used else None


def outputs_json(outputs: Any, key: bytes) -> str | None:
    """The first `MAX_OUTPUTS` entries of an answer; None where there is none."""
    return None if outputs is None else _json(_plain(outputs, key, limit=MAX_OUTPUTS))


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str)


def _plain(value: Any, key: bytes, limit: int | None = None) -> Any:
    """``value`` as JSON knows it: numbers rounded or null, household ids pseudonymised, texts scrubbed."""
    if isinstance(value, Mapping):
        return dict(_entry(str(name), entry, key, limit) for name, entry in islice(value.items(), limit))
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(entry, key, limit) for entry in value[:limit]]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return scrub(value) if isinstance(value, str) else value


def _entry(name: str, value: Any, key: bytes, limit: int | None) -> tuple[str, Any]:
    if name == HOUSEHOLD_ID and value is not None:
        return HOUSEHOLD, pseudonym(int(value), key)
    return name, _plain(value, key, limit)
