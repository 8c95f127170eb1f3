"""The file of an experiment: its variants, their weights, and who gets a copy of the traffic."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from polymart.config.base import Fraction, Frozen, Name
from polymart.errors import SettingError

FILE, VARIANT = "POLYMART_EXPERIMENT", "POLYMART_VARIANT"
DEFAULT_VARIANT = "main"
MAX_TIMEOUT_S = 30.0
ROUTED = "x-polymart-routed"
"""Header of a request that was handed on: ``split`` or ``shadow``. Whoever gets it answers, so that none goes round."""


class Variant(Frozen):
    """A release that answers a share of the households."""

    name: Name
    weight: float = Field(ge=0)
    """Its share is this over the sum of all weights; 0 answers nobody."""
    url: str = ""
    """Where its server is, e.g. ``http://polymart-next``; not needed for the variant of the server that reads this."""

    @field_validator("url")
    @classmethod
    def _is_an_origin(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in url or parts.path.strip("/")):
            raise ValueError("must be http:// or https:// with host and port alone")
        return url.rstrip("/")


class Shadow(Frozen):
    """A variant that gets copies of requests; its answers are compared and logged, never returned."""

    variant: Name
    share: Fraction = 1.0
    """Share of the households whose requests are copied."""
    max_in_flight: int = Field(8, ge=1, le=100)
    """Copies on their way at once; of more, none is made."""


class Experiment(Frozen):
    """Which releases answer whom."""

    name: Name
    """Salts the split: a household's variant in one experiment tells nothing of its variant in another."""
    variants: list[Variant] = Field(min_length=1)
    shadow: Shadow | None = None
    timeout_s: float = Field(2.0, gt=0, le=MAX_TIMEOUT_S)
    """Seconds within which another variant must answer; then this server does."""

    @model_validator(mode="after")
    def _fits_together(self) -> Experiment:
        names = [variant.name for variant in self.variants]
        if len(set(names)) < len(names):
            raise ValueError(f"names of variants must be unique, found {', '.join(names)}")
        if not any(variant.weight for variant in self.variants):
            raise ValueError("a variant must have a weight above 0, found none")
        if self.shadow is not None:
            shadow = next((v for v in self.variants if v.name == self.shadow.variant), None)
            if shadow is None or shadow.weight or not shadow.url:
                raise ValueError(
                    f"shadow.variant must be a variant of weight 0 with a url, found {self.shadow.variant!r}"
                )
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Weight by name."""
        return {variant.name: variant.weight for variant in self.variants}

    def url(self, name: str) -> str:
        """Where the server of a variant is."""
        return next(variant.url for variant in self.variants if variant.name == name)


def own_variant() -> str:
    """The variant that this server is: ``POLYMART_VARIANT``, or ``main``.

    Raises:
        SettingError: it is no name.
    """
    own = os.environ.get(VARIANT) or DEFAULT_VARIANT
    try:
        return TypeAdapter(Name).validate_python(own)
    except ValidationError as error:
        raise SettingError(
            f"{VARIANT} must name a variant, found {own!r}: {error.errors()[0]['msg']}",
            remedy="correct the environment",
        ) from error


def load_experiment(path: Path, own: str, *, logged: bool = True) -> Experiment:
    """Read the file of an experiment as the server of variant ``own`` needs it.

    Args:
        path: a YAML file.
        own: the variant that this server is.
        logged: whether this server has a log for the comparisons of shadow traffic.

    Raises:
        SettingError: the file is absent, not YAML, breaks a rule of `Experiment`, does not know ``own``, does not
            tell where another variant is, or asks for shadow traffic that nobody would log.
    """
    try:
        experiment = Experiment.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingError(f"the experiment {path} cannot be read: {error}", remedy="name a YAML file") from error
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc'])) or 'experiment'}: {e['msg']}" for e in error.errors()]
        raise SettingError(
            f"{path} is not a valid experiment:\n" + "\n".join(lines), remedy="see docs/serving.md, Experiments"
        ) from error
    if own not in experiment.weights:
        known = ", ".join(experiment.weights)
        raise SettingError(
            f"{path} must have the variant of this server, {own!r}; it has {known}", remedy=f"set {VARIANT} to one"
        )
    if lost := [v.name for v in experiment.variants if v.weight and not v.url and v.name != own]:
        raise SettingError(f"{path} must tell the url of {', '.join(lost)}", remedy="add `url` to each")
    if experiment.shadow and not logged:
        raise SettingError(
            f"{path} asks for shadow traffic, which needs a prediction log, found none",
            remedy="set POLYMART_PREDICTION_LOG, or take `shadow` out",
        )
    return experiment
