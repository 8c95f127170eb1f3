"""Numbers that a balancing method learns, one a task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class LearnedNumbers:
    """One number a task, starting at 0. Adam moves only those whose gradient is given, so that its momentum does
    not carry an absent task along."""

    def __init__(self, names: Iterable[str], learning_rate: float, weight_decay: float = 0.0) -> None:
        self.numbers = {name: nn.Parameter(torch.zeros((), dtype=torch.float64)) for name in names}
        self.optimizer = torch.optim.Adam(self.numbers.values(), lr=learning_rate, weight_decay=weight_decay)

    def __getitem__(self, name: str) -> float:
        return self.numbers[name].item()

    def step(self, gradients: Mapping[str, float]) -> None:
        """One step of Adam along ``gradients``."""
        for name, number in self.numbers.items():
            number.grad = number.new_tensor(gradients[name]) if name in gradients else None
        self.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Each number with its moments."""
        moments = self.optimizer.state
        return {
            name: {"value": number.item()} | {key: float(value) for key, value in moments.get(number, {}).items()}
            for name, number in self.numbers.items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.optimizer.state.clear()
        for name, number in self.numbers.items():
            moments = dict(state[name])
            number.data.fill_(moments.pop("value"))
            if moments:
                self.optimizer.state[number] = {key: self._moment(key, value) for key, value in moments.items()}

    @staticmethod
    def _moment(key: str, value: float) -> Tensor:
        # Adam counts its steps in single precision.
        return torch.tensor(value, dtype=torch.float32 if key == "step" else torch.float64)
