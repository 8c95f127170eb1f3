"""The weights that training changes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def trained_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The model's state without frozen parameters, which the pretrained encoder gives again."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def copy_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors in main memory, untouched by further training."""
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
