"""In which type the matrix products of a pass are computed."""

from __future__ import annotations

import torch

from polymart.errors import TrainingError


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """The autocast type for ``precision``; None means plain float32.

    ``auto`` picks bfloat16 on a GPU that has it, and on a processor with AVX512-BF16 or AMX.

    Raises:
        TrainingError: float16 without a GPU.
    """
    if precision == "float32":
        return None
    if precision == "bfloat16":
        return torch.bfloat16
    if precision == "float16":
        if device.type != "cuda":
            raise TrainingError("training.precision float16 needs a GPU, found none", remedy="use auto or bfloat16")
        return torch.float16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else None
