"""Candidates for the gate drill whose artifacts are damaged; `bench._candidates` makes the others."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bench._candidates import Candidate, Cause, Shop, good
from polymart.training.checkpoint import save_checkpoint


def not_finite(shop: Shop, seed: int, number: int, folder: Path) -> Candidate:
    """One weight of one head is no number."""
    task, model = shop.task(number).name, shop.bench.trained(seed)
    weight = next(model.head(task).parameters())
    weight.data.view(-1)[seed % weight.numel()] = (float("nan"), float("inf"))[number % 2]
    return shop.saved(model, folder, Cause(("integrity",), task, "NaN"))


def label_map(shop: Shop, seed: int, number: int, folder: Path) -> Candidate:
    """Two names of a label map changed places, or one is another."""
    states = shop.bench.material.states
    task = shop.task(number, lambda task: states[task.name].labels).name
    labels, random = list(states[task].labels or ()), np.random.default_rng(seed)
    a, b = random.choice(len(labels), 2, replace=False)
    labels[a], labels[b] = (labels[b], labels[a]) if number % 2 == 0 else ("OTHER", labels[b])
    checkpoint = shop.bench.checkpoint(shop.bench.trained(seed))
    states = {**states, task: states[task].model_copy(update={"labels": labels})}
    save_checkpoint(replace(checkpoint, tasks=states), folder / "checkpoint")
    return Candidate(folder / "checkpoint", shop.examples, shop.suite, Cause(("integrity",), task, "labels"))


def slow(shop: Shop, seed: int, number: int, folder: Path) -> Candidate:
    """An encoder of many more layers, which compute as long as the others and hardly change what goes through."""
    model = shop.bench.trained(seed)
    transformer = model.encoder.transformer
    layers = transformer.get_submodule("encoder.layer")
    assert isinstance(layers, torch.nn.ModuleList)
    for _ in range((shop.depth - 1) * len(layers)):
        layers.append(_passing(layers[-1]))
    transformer.config.num_hidden_layers = len(layers)
    return shop.saved(model, folder, Cause(("latency",)))


def _passing(layer: torch.nn.Module) -> torch.nn.Module:
    """A layer that adds nothing to the residual; its norms keep the scale that ``layer`` gave to its outputs."""
    new = copy.deepcopy(layer)
    norm = layer.get_submodule("output.LayerNorm")
    scale, shift = (norm.weight.square().mean() + norm.bias.var()).sqrt(), norm.bias.mean()  # type: ignore[operator]
    for part in ("attention.output", "output"):
        for values in new.get_submodule(f"{part}.dense").parameters():
            torch.nn.init.zeros_(values)
        torch.nn.init.constant_(new.get_submodule(f"{part}.LayerNorm").weight, float(scale))  # type: ignore[arg-type]
        torch.nn.init.constant_(new.get_submodule(f"{part}.LayerNorm").bias, float(shift))  # type: ignore[arg-type]
    return new


def torn(shop: Shop, seed: int, number: int, folder: Path) -> Candidate:
    """A file of the checkpoint is not the one that was written."""
    found = good(shop, seed, number, folder)
    name = ("model.safetensors", "tokenizer.json", "suite.json", "tasks.json", "notes.txt")[number % 5]
    path = found.checkpoint / name
    content = bytearray(path.read_bytes() if path.is_file() else b"kept for later")
    content[-1 - seed % (len(content) // 2)] ^= 1
    path.write_bytes(content)
    return replace(found, cause=Cause(("integrity",), words=name))
