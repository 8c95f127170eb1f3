"""The shared text encoder: a pretrained transformer, mean-pooled.

Shape suffixes: U unique texts, T tokens, D hidden size.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from polymart.errors import CheckpointError


class TextEncoder(nn.Module):
    """A BERT-like transformer whose token vectors are averaged over the real tokens (Reimers & Gurevych 2019)."""

    def __init__(self, transformer: PreTrainedModel, trainable_layers: int) -> None:
        super().__init__()
        self.transformer: PreTrainedModel = transformer
        self.width = int(transformer.config.hidden_size)
        self.freeze_below(trainable_layers)

    @classmethod
    def from_pretrained(cls, folder: Path, trainable_layers: int) -> TextEncoder:
        """Load pretrained weights from a folder with ``config.json`` and ``model.safetensors``.

        Raises:
            CheckpointError: the folder holds no such model.
        """
        try:
            model = AutoModel.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                add_pooling_layer=False,
                attn_implementation="sdpa",
                # Dropout inside attention would rule out the fused kernel; dropout on hidden states stays.
                attention_probs_dropout_prob=0.0,
            )
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"no pretrained encoder in {folder}: {error}", remedy="fetch it with `polymart data fetch minilm`"
            ) from error
        return cls(model, trainable_layers)

    @classmethod
    def from_config(cls, folder: Path, trainable_layers: int) -> TextEncoder:
        """An encoder of the right shape whose weights a checkpoint will fill."""
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_config(config, add_pooling_layer=False, attn_implementation="sdpa")
        return cls(model, trainable_layers)

    def freeze_below(self, trainable_layers: int) -> None:
        """Freeze the embeddings and all but the top ``trainable_layers`` layers."""
        layers = list(self.transformer.get_submodule("encoder.layer").children())
        frozen = max(0, len(layers) - trainable_layers)
        for module in (self.transformer.get_submodule("embeddings"), *layers[:frozen]):
            module.requires_grad_(False)

    def forward(self, tokens_UT: Tensor, mask_UT: Tensor) -> Tensor:
        """Mean-pooled vectors, shape (U, D)."""
        hidden_UTD = self.transformer(input_ids=tokens_UT, attention_mask=mask_UT).last_hidden_state
        weight_UT1 = mask_UT.unsqueeze(-1).to(hidden_UTD.dtype)
        return (hidden_UTD * weight_UT1).sum(1) / weight_UT1.sum(1).clamp(min=1)


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """The autocast type for ``precision``; None means plain float32.

    ``auto`` picks bfloat16 on a GPU that has it, and on a processor with AVX512-BF16 or AMX.
    """
    if precision == "float32":
        return None
    if precision == "bfloat16":
        return torch.bfloat16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else None
