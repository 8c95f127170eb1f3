"""What the log says about a caller's mistakes."""

from __future__ import annotations

import logging

from pydantic import ValidationError


class CallersFaults(logging.Filter):
    """Shortens BentoML's record of a body outside its contract to a line.

    Its traceback leads nowhere, ten thousand of them hide the one that matters, and it names the fields of the
    body, which the caller chose.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ValidationError) and "Request" in error.title:
            record.exc_info = None
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg = f"{record.msg}: {error.error_count()} validation errors"
        return True


def shorten_callers_faults() -> None:
    """Put the filter where BentoML's record is made; a second call changes nothing."""
    logging.getLogger("bentoml._internal.server.http_app").addFilter(_FILTER)


_FILTER = CallersFaults()
