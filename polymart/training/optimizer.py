"""AdamW, its schedule and the limit on the gradient's norm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from polymart.config import Training
from polymart.model.multitask import MultiTaskModel
from polymart.training.sharding import local, whole


def build_optimizer(model: MultiTaskModel, training: Training, device: torch.device) -> torch.optim.AdamW:
    """AdamW with one rate for the text encoder and tasks' own layers, one for all else; no decay on biases, norms.

    The image tower learns at the rate of the heads: a convolutional network takes twenty times a transformer's rate.
    """
    groups = []
    text = ("encoder.", "branches.")
    encoder = [p for name, p in model.named_parameters() if name.startswith(text)]
    others = [p for name, p in model.named_parameters() if not name.startswith(text)]
    for parameters, rate in ((encoder, training.learning_rate), (others, training.head_learning_rate)):
        for wanted, decay in ((True, training.weight_decay), (False, 0.0)):
            chosen = [p for p in parameters if p.requires_grad and (p.ndim > 1) == wanted]
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, fused=device.type in ("cpu", "cuda"))


def warmup_cosine(training: Training) -> Callable[[int], float]:
    """Factor of the peak rate at a step: linear warm-up, then a cosine to 0."""
    rising = max(1, round(training.warmup * training.max_steps))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        progress = (step - rising) / max(1, training.max_steps - rising)
        return 0.5 * (1 + float(np.cos(np.pi * min(1.0, progress))))

    return factor


def clip(model: nn.Module, norm: float) -> Tensor:
    """Clip the global gradient norm; returns the norm before clipping."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    # Shards and whole gradients do not mix in one operation.
    parts = [[g for g in gradients if isinstance(g, DTensor) == sharded] for sharded in (False, True)]
    norms = [whole(nn.utils.get_total_norm(part)) for part in parts if part]
    total = torch.linalg.vector_norm(torch.stack(norms))
    torch._foreach_mul_([local(gradient) for gradient in gradients], (norm / (total + 1e-6)).clamp(max=1.0))
    return total
