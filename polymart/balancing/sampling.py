"""Which task the next micro-batch comes from: temperature sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def temperature_probabilities(sizes: Mapping[str, int], temperature: float, cap: int | None = None) -> dict[str, float]:
    """p_t proportional to min(n_t, cap)^(1/T) (Arivazhagan et al. 2019, 1907.05019).

    Args:
        sizes: training examples n_t of each task.
        temperature: T >= 1; 1 is proportional to size, infinity is uniform.
        cap: counts beyond it do not matter; None for no cap.
    """
    counts = np.array([min(n, cap) if cap else n for n in sizes.values()], np.float64)
    powered = counts ** (1.0 / temperature)
    return dict(zip(sizes, (powered / powered.sum()).tolist(), strict=True))


class TaskSampler:
    """A seeded stream of task names; its state is one integer counter, so that it resumes exactly."""

    def __init__(self, probabilities: Mapping[str, float], seed: int, step: int = 0) -> None:
        self.names: Sequence[str] = list(probabilities)
        self.probabilities = np.array(list(probabilities.values()))
        self.seed = seed
        self.step = step

    def draw(self, count: int) -> list[str]:
        """The tasks of the next step's ``count`` micro-batches."""
        generator = np.random.default_rng([self.seed, self.step])
        self.step += 1
        return [self.names[i] for i in generator.choice(len(self.names), size=count, p=self.probabilities)]
