"""An override is text, ``<who>: <why>``, from the command line to the release."""

from __future__ import annotations

from polymart.errors import GateError
from polymart.evaluation.records import Override

LONGEST = 500
"""Characters; a release tells it on one line."""


def parse_override(text: str) -> Override | None:
    """The override in ``<who>: <why>``; None where the text is empty.

    Raises:
        GateError: who or why is missing, or the text is too long for the release.
    """
    if not text:
        return None
    who, _, why = " ".join(text.split()).partition(":")
    if not (who.strip() and why.strip()) or len(text) > LONGEST:
        raise GateError(
            f"an override must be '<who>: <why>' of at most {LONGEST} characters, found {text[:LONGEST]!r}",
            remedy='name yourself and the reason, e.g. --override "Ada Lovelace: the champion loses orders"',
        )
    return Override(who=who.strip(), why=why.strip())
