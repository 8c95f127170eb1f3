"""What a training is assumed to cost the climate and the purse; read from the environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Rates(BaseSettings):
    """Assumptions of an estimate, stated wherever it is shown. Each field is read from ``POLYMART_<FIELD>``.

    The defaults are orders of magnitude, measured on no machine of yours: a busy server core with its share of
    memory, an accelerator's board, the world's mean electricity, prices by the hour as large clouds list them.
    """

    model_config = SettingsConfigDict(
        env_prefix="POLYMART_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    watts_per_core: float = Field(10.0, ge=0)
    """Power of a busy processor core."""
    watts_per_gpu: float = Field(500.0, ge=0)
    """Power of a held GPU."""
    grams_per_kwh: float = Field(480.0, ge=0)
    """Grams of CO2 equivalent of a kilowatt hour where the training ran."""
    price_per_core_hour: float = Field(0.05, ge=0)
    """Price of a processor core for an hour, in ``currency``."""
    price_per_gpu_hour: float = Field(3.0, ge=0)
    """Price of a GPU for an hour, in ``currency``."""
    currency: str = "USD"
    """Name of the unit of the prices."""
