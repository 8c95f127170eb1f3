"""Why a request is refused, each with its HTTP status."""

from __future__ import annotations

from polymart.errors import ServingError


class UnknownTaskError(ServingError):
    """The release holds no head for what was asked."""

    status = 404


class UnknownEntityError(ServingError):
    """The feature store does not know a household, campaign, category or store."""

    status = 404


class UnknownGroupError(ServingError):
    """No department or category is called as a filter names it."""

    status = 404


class FeaturesUnavailableError(ServingError):
    """The online store is missing or does not answer; text-only tasks still do."""

    status = 503


class OverloadedError(ServingError):
    """More waits for the encoder than it can answer soon; the caller may try again."""

    status = 503


class UnreadablePictureError(ServingError):
    """What was sent is no picture that the service reads."""

    status = 400


class FutureEventError(ServingError):
    """An event is said to have happened in the future."""

    status = 400


class StateMissingError(ServingError):
    """The feature store knows a household, but not what one more basket would be folded into."""

    status = 409
