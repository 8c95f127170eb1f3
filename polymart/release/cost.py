"""What a training took, and an estimate of its carbon and price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polymart.config.rates import Rates


@dataclass(frozen=True)
class Cost:
    """Measured times of a training and what follows from them under stated assumptions."""

    seconds: float
    cpu_seconds: float
    gpu_seconds: float
    rates: Rates

    @property
    def kilowatt_hours(self) -> float:
        watt_seconds = self.cpu_seconds * self.rates.watts_per_core + self.gpu_seconds * self.rates.watts_per_gpu
        return watt_seconds / 3.6e6

    @property
    def grams(self) -> float:
        """CO2 equivalent."""
        return self.kilowatt_hours * self.rates.grams_per_kwh

    @property
    def price(self) -> float:
        core, gpu = self.rates.price_per_core_hour, self.rates.price_per_gpu_hour
        return (self.cpu_seconds * core + self.gpu_seconds * gpu) / 3600

    @property
    def carbon_formula(self) -> str:
        """How `grams` was made."""
        rates = self.rates
        return (
            f"({self.cpu_seconds:.0f} core s × {rates.watts_per_core:g} W + {self.gpu_seconds:.0f} GPU s × "
            f"{rates.watts_per_gpu:g} W) / 3,600,000 × {rates.grams_per_kwh:g} g/kWh"
        )

    @property
    def price_formula(self) -> str:
        """How `price` was made."""
        rates = self.rates
        return (
            f"({self.cpu_seconds:.0f} core s × {rates.price_per_core_hour:g} + {self.gpu_seconds:.0f} GPU s × "
            f"{rates.price_per_gpu_hour:g}) {rates.currency}/h / 3600"
        )


def training_cost(log: Mapping[str, Any], rates: Rates) -> Cost | None:
    """The cost of a training; None where its log measured no processor and no GPU time.

    Args:
        log: see `polymart.training.log.TrainingLog`.
        rates: the assumptions.
    """
    cpu, gpu = float(log.get("cpu_seconds", 0.0)), float(log.get("gpu_seconds", 0.0))
    return Cost(float(log["seconds"]), cpu, gpu, rates) if cpu or gpu else None
