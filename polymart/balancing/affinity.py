"""Which task helps which (Fifty et al. 2021, 2109.04617).

For a task that still falls below its single-task model after weights, share and clipping were turned: leave it in the
same suite as the tasks that help it, and give those that hurt it another one. docs/training.md shows how to call it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def affinities(
    parameters: Sequence[Tensor], loss: Callable[[str], Tensor], tasks: Sequence[str], learning_rate: float
) -> dict[str, dict[str, float]]:
    """Z_{i->j} = 1 - L_j(theta after a gradient step on i) / L_j(theta): above 0, learning i helps j.

    Args:
        parameters: the shared parameters theta; they hold their old values again afterwards.
        loss: a task's loss on a fixed batch, without dropout.
        tasks: their names.
        learning_rate: size of the gradient step.

    Returns:
        Z by i, then by j.
    """
    with torch.no_grad():
        before = {name: float(loss(name)) for name in tasks}
    old = [parameter.detach().clone() for parameter in parameters]
    found = {}
    for name in tasks:
        gradients = torch.autograd.grad(loss(name), parameters, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter -= learning_rate * gradient
            found[name] = {other: 1.0 - float(loss(other)) / before[other] for other in tasks}
            for parameter, value in zip(parameters, old, strict=True):
                parameter.copy_(value)
    return found
