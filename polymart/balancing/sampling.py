"""Which task the next micro-batch comes from: temperature sampling, constant or annealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from polymart.config import Balancing, Task


def temperature_probabilities(
    sizes: Mapping[str, int], temperature: float, cap: int | None = None, shares: Mapping[str, float] | None = None
) -> dict[str, float]:
    """p_t proportional to share_t min(n_t, cap)^(1/T) (Arivazhagan et al. 2019, 1907.05019).

    Args:
        sizes: training examples n_t of each task.
        temperature: T >= 1; 1 is proportional to size, infinity is uniform.
        cap: counts beyond it do not matter; None for no cap.
        shares: a factor of each task; None for 1.
    """
    counts = np.array([min(n, cap) if cap else n for n in sizes.values()], np.float64)
    factors = np.array([shares[name] if shares else 1.0 for name in sizes])
    powered = factors * counts ** (1.0 / temperature)
    return dict(zip(sizes, (powered / powered.sum()).tolist(), strict=True))


def annealed_temperature(step: int, max_steps: int) -> float:
    """T = 1/alpha with alpha = 1 - 0.8 e/(E-1): proportional at the first of E steps, nearly uniform at the last.

    Stickland & Murray (2019, 1902.02671) anneal by epochs; here every step is one.
    """
    return 1.0 / (1.0 - 0.8 * step / max(1, max_steps - 1))


class TaskSampler:
    """A seeded stream of task names; its state is one integer, ``step``, so that it resumes exactly.

    The expected gradient of a step is sum_t p_t w_t grad l_t: what a task counts is the product of its probability
    and its weight.
    """

    def __init__(
        self, tasks: Sequence[Task], sizes: Mapping[str, int], settings: Balancing, max_steps: int, seed: int
    ) -> None:
        self.sizes = {task.name: sizes[task.name] for task in tasks}
        self.shares = {task.name: task.share for task in tasks}
        self.settings = settings
        self.max_steps = max_steps
        self.seed = seed
        self.step = 0

    def probabilities(self) -> dict[str, float]:
        """The probability of each task in the next step."""
        annealed = self.settings.sampling == "annealed"
        temperature = annealed_temperature(self.step, self.max_steps) if annealed else self.settings.temperature
        return temperature_probabilities(self.sizes, temperature, self.settings.cap, self.shares)

    def draw(self, count: int) -> list[str]:
        """The tasks of the next step's ``count`` micro-batches."""
        generator = np.random.default_rng([self.seed, self.step])
        probabilities = self.probabilities()
        self.step += 1
        names = list(probabilities)
        return [names[i] for i in generator.choice(len(names), size=count, p=list(probabilities.values()))]
