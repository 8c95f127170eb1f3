"""FSDP2: every process keeps a shard of the trunk and gathers a layer when it needs it; heads stay whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from polymart.model.multitask import MultiTaskModel
from polymart.training.world import World


def shard_trunk(model: MultiTaskModel, world: World, device: torch.device) -> None:
    """Shard encoder and image tower in place; their gradients are sums over the processes after each backward pass."""
    mesh = init_device_mesh(device.type, (world.size,))
    layers = model.encoder.transformer.get_submodule("encoder.layer").children()
    towers = [model.encoder] if model.image is None else [model.encoder, model.image]
    for module in (*layers, *towers):
        sharded = fully_shard(module, mesh=mesh)
        sharded.set_gradient_divide_factor(1.0)
        sharded.set_force_sum_reduction_for_comms(True)  # gloo knows no other


def local(tensor: Tensor) -> Tensor:
    """This process's part of ``tensor``, sharing memory with it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """All of ``tensor``; every process must ask at the same time."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def whole_tree(value: Any) -> Any:
    """Nested dicts and lists with every tensor `whole`."""
    if isinstance(value, Tensor):
        return whole(value)
    if isinstance(value, Mapping):
        return {name: whole_tree(part) for name, part in value.items()}
    return [whole_tree(part) for part in value] if isinstance(value, list) else value


def sharded_like(tensor: Tensor, like: Tensor) -> Tensor:
    """``tensor`` in shards where ``like`` is, if they have the same shape."""
    if isinstance(like, DTensor) and tensor.shape == like.shape:
        return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
    return tensor
