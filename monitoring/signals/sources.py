"""What signals read beside example and prediction tables: the encoder, the prediction log, the feature store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from monitoring.signals.encoder import EncoderVectors
from monitoring.signals.vectors import Vectors
from polymart.files import canonical_json, digest_text


@dataclass(frozen=True)
class Sources:
    """Each may be absent: then its signals are."""

    vectors: Vectors | None = None
    """The release's encoder, for drift of vectors."""
    log: Path | None = None
    """Folder of the prediction log, for latency, errors, volume and labels that arrive late."""
    store: Path | None = None
    """Folder of the feature store, for training/serving skew; needs ``log``."""
    key: bytes | None = field(default=None, repr=False)
    """Secret of the log's pseudonyms, without which no household of the log can be joined."""

    @classmethod
    def of_service(cls, checkpoint: Path, environment: Mapping[str, str] = os.environ) -> Sources:
        """What the settings of the service name, as far as it is there.

        Args:
            checkpoint: the release's; where it is no folder of this machine there are no vectors.
            environment: ``POLYMART_PREDICTION_LOG``, ``POLYMART_FEATURE_STORE`` and ``POLYMART_PSEUDONYM_KEY``, as the
                service reads them.
        """
        from serving.log.hourly import FILES
        from serving.log.prediction import DIRECTORY, KEY

        log, store, key = (environment.get(name, "") for name in (DIRECTORY, "POLYMART_FEATURE_STORE", KEY))
        return cls(
            vectors=EncoderVectors(checkpoint) if checkpoint.is_dir() else None,
            log=Path(log) if log and any(Path(log).glob(FILES)) else None,
            store=Path(store) if store else None,
            key=key.encode() or None,
        )

    def digest(self, until: datetime) -> str:
        """Changes when the log before ``until`` does: its files are written once, under names of their own."""
        if self.log is None:
            return ""
        from serving.log.hourly import FILES

        last = f"{until:date=%Y-%m-%d/hour=%H}"
        names = (path.relative_to(self.log).as_posix() for path in self.log.glob(FILES))
        return digest_text(canonical_json(sorted(name for name in names if name < last)))
