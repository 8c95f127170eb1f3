"""The weights that training changes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from polymart.training.sharding import sharded_like, whole


def trained_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The model's state without frozen parameters, which the pretrained encoder gives again; nothing in shards."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: whole(tensor) for name, tensor in model.state_dict().items() if name not in frozen}


def copy_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors in main memory, untouched by further training."""
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}


def load_trained(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `trained_tensors` gave."""
    own = model.state_dict()
    model.load_state_dict({name: sharded_like(t, own[name]) for name, t in tensors.items()}, strict=False)
