"""How far the tasks' gradients on the shared trunk agree.

Shape suffixes: T tasks of the step, P parameters of the trunk.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize


def conflict_cosines(gradients_TP: Tensor) -> Tensor:
    """The cosine between each two tasks' gradients, shape (T, T); below 0 they conflict.

    A gradient of zeros conflicts with nobody: its cosines are 0.
    """
    unit_TP = normalize(gradients_TP.float(), dim=1)
    return unit_TP @ unit_TP.T
