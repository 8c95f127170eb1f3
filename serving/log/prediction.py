"""The prediction log: one row per answer (see `serving.log.hourly` for how it is written).

Ids of households are pseudonymised. Free text is left out, unless ``POLYMART_PREDICTION_LOG_TEXT=scrubbed`` asks for
it; then e-mail addresses, card and phone numbers are taken out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa

from polymart.errors import SettingError
from serving.log.hourly import HourlyLog, Row
from serving.log.render import HOUSEHOLD_ID, features_json, outputs_json, pseudonym

DIRECTORY, KEY, TEXT = "POLYMART_PREDICTION_LOG", "POLYMART_PSEUDONYM_KEY", "POLYMART_PREDICTION_LOG_TEXT"
SCRUBBED = "scrubbed"
SCHEMA = pa.schema({
    "prediction_id": pa.string(),  # of the request; one that ranks campaigns or asks several tasks leaves several rows
    "event_timestamp": pa.timestamp("us"),  # naive UTC
    "task": pa.string(),
    "checkpoint": pa.string(),  # digest of the release's checkpoint
    "household": pa.string(),  # pseudonym
    "campaign_id": pa.int64(),
    "category_id": pa.int64(),
    "store_id": pa.int64(),
    "prediction": pa.string(),  # as in the predictions table of evaluation
    "score": pa.float32(),
    "latency_ms": pa.float32(),
    # Columns above stand in every file; those below were added, and files from before read as null.
    "endpoint": pa.string(),
    "variant": pa.string(),  # who answered, where several releases serve side by side
    "shadow": pa.bool_(),  # true: a copy of a request, whose answer nobody got
    "degraded": pa.bool_(),  # true: the online store was out of reach and defaults stood in
    "features": pa.string(),  # JSON object of what the answer was computed from
    "outputs": pa.string(),  # JSON, the ten best entries of the answer
})  # fmt: skip


class PredictionLog(HourlyLog):
    """Writes answers below ``folder``.

    Args:
        folder: root of the log.
        key: secret of the pseudonyms; the same key gives the same household the same pseudonym.
        keep_text: keep free text, scrubbed.
        limits: ``capacity`` and ``flush_s`` of `HourlyLog`.
    """

    def __init__(self, folder: Path, key: bytes, *, keep_text: bool = False, **limits: Any) -> None:
        self._key, self._keep_text = key, keep_text
        super().__init__(folder, SCHEMA, "prediction", **limits)

    def render(self, row: Row) -> Row:
        """The columns of `SCHEMA`, from a row that may also hold the following.

        Args:
            row: ``household_id`` (becomes ``household``), ``read`` (becomes ``features``; see
                `serving.log.notes.request_notes`) and ``outputs`` as any lists, mappings and numbers.
        """
        keys = {name: value for name, value in row.items() if name.endswith("_id") and isinstance(value, int)}
        household = keys.get(HOUSEHOLD_ID)
        return row | {
            "household": None if household is None else pseudonym(household, self._key),
            "features": features_json(row.get("read", ()), keys, self._key, keep_text=self._keep_text),
            "outputs": outputs_json(row.get("outputs"), self._key),
        }


def log_from_environment() -> PredictionLog | None:
    """The log that ``POLYMART_PREDICTION_LOG`` asks for; None when unset.

    Raises:
        SettingError: a log is asked for without the key that pseudonymises household ids, or texts in a way that is
            not known.
    """
    folder, key, text = (os.environ.get(name, "") for name in (DIRECTORY, KEY, TEXT))
    if not folder:
        return None
    if len(key) < 16:
        raise SettingError(
            f"{KEY} must hold at least 16 characters when {DIRECTORY} is set, found {len(key)}",
            remedy=f"give {KEY} from a secret, or unset {DIRECTORY} to switch the log off",
        )
    if text not in ("", SCRUBBED):
        raise SettingError(
            f"{TEXT} must be {SCRUBBED!r} or unset, found {text!r}", remedy=f"unset {TEXT} to log no free text"
        )
    return PredictionLog(Path(folder), key.encode(), keep_text=bool(text))
