"""Adapters: small trainable parts inside a frozen encoder, by peft.

Shape suffixes: U unique texts, T tokens, D hidden size, P prefix tokens, R rank.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from polymart.config import Adapter

# peft is imported where it is used: it takes about as long as everything else, and most suites need no adapter.


class TrunkAdapter(nn.Module):
    """What the encoder asks of its adapter; by itself, it is the encoder without one.

    The transformer is handed in rather than kept, so that its weights have one name in a checkpoint.
    """

    def hidden(self, transformer: PreTrainedModel, tokens_UT: Tensor, mask_UT: Tensor) -> Tensor:
        """Token vectors, shape (U, T, D)."""
        # A mask of two dimensions is looked through for padding, at which the processor would wait for the GPU.
        mask_U11T = mask_UT[:, None, None, :].bool()
        return transformer(input_ids=tokens_UT, attention_mask=mask_U11T).last_hidden_state

    def regulariser(self) -> Tensor | None:
        """A penalty to add to the loss once a step."""
        return None

    def after_backward(self, step: int) -> None:
        """Called with steps 1, 2, ... after the optimiser moved the weights and before the gradients are cleared."""

    def training_state(self) -> dict[str, Tensor]:
        """What resuming needs beside the weights."""
        return {}

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from `training_state`."""

    def merge(self) -> bool:
        """Fold the adapter into the transformer's weights for inference; False where it cannot be folded."""
        return True


class LoRA(TrunkAdapter):
    """W + 2 B A on queries and values, A and B of rank r (Hu et al. 2021, 2106.09685)."""

    def __init__(self, transformer: PreTrainedModel, settings: Adapter) -> None:
        from peft import LoraConfig, LoraModel

        super().__init__()
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=2 * settings.rank,
            lora_dropout=settings.dropout,
            target_modules=["query", "value"],
        )
        # A tuple hides the tuner, which holds the transformer, from this module's own parameters.
        self._tuner = (LoraModel(transformer, config, "default"),)

    def merge(self) -> bool:
        self._tuner[0].merge_and_unload()
        return True


class AdaLoRA(LoRA):
    """B diag(E) A on queries and values, whose rank moves to where it matters (Zhang et al. 2023, 2303.10512).

    Training starts at half as much rank again; from a tenth to four fifths of the steps the least important
    directions are pruned to the average rank asked for, and the last fifth only fine-tunes. A pruned direction is a
    zero in E, so the weights hold the ranks. peft adds its penalty on factors that are not orthogonal to
    ``outputs.loss``, which a bare encoder lacks: here it is `regulariser`.
    """

    def __init__(self, transformer: PreTrainedModel, settings: Adapter, max_steps: int) -> None:
        from peft import AdaLoraConfig, AdaLoraModel

        TrunkAdapter.__init__(self)
        self.config = AdaLoraConfig(
            target_r=settings.rank,
            init_r=max(settings.rank + 1, settings.rank * 3 // 2),
            lora_alpha=2 * settings.rank,
            lora_dropout=settings.dropout,
            target_modules=["query", "value"],
            total_step=max_steps,
            tinit=max_steps // 10,
            tfinal=max_steps // 5,
            deltaT=max(1, max_steps // 100),
        )
        self.orthogonality = settings.orthogonality
        self._tuner = (AdaLoraModel(transformer, self.config, "default"),)

    def _factors(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self._tuner[0].model.named_parameters() if ".lora_" in name}

    def regulariser(self) -> Tensor:
        """orthogonality x mean |A A^T - I| and |B^T B - I| (Frobenius) over all factors."""
        grams_RR = [
            factor @ factor.T if ".lora_A." in name else factor.T @ factor
            for name, factor in self._factors().items()
            if ".lora_E." not in name
        ]
        norms = [torch.linalg.matrix_norm(g - torch.eye(len(g), dtype=g.dtype, device=g.device)) for g in grams_RR]
        return self.orthogonality * torch.stack(norms).mean()

    def after_backward(self, step: int) -> None:
        for factor in self._factors().values():
            # peft expects a gradient, also where no task of the step read a text, and keeps running means of it,
            # also where it overflowed in float16 and the optimiser skipped the step.
            found = torch.zeros_like(factor) if factor.grad is None else factor.grad
            factor.grad = found.nan_to_num(0.0, posinf=0.0, neginf=0.0)
        self._tuner[0].update_and_allocate(step)

    def training_state(self) -> dict[str, Tensor]:
        ranks = {f"kept/{name}": torch.tensor(kept) for name, kept in (self.config.rank_pattern or {}).items()}
        allocator = self._tuner[0].rankallocator
        sensitivity = {f"sensitivity/{name}": value for name, value in allocator.exp_avg_ipt.items()}
        uncertainty = {f"uncertainty/{name}": value for name, value in allocator.exp_avg_unc.items()}
        return {name: value.clone() for name, value in (ranks | sensitivity | uncertainty).items()}

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        def part(kind: str) -> dict[str, Tensor]:
            return {key.removeprefix(kind): value.clone() for key, value in state.items() if key.startswith(kind)}

        allocator, device = self._tuner[0].rankallocator, next(iter(self._factors().values())).device
        allocator.exp_avg_ipt = {name: value.to(device) for name, value in part("sensitivity/").items()}
        allocator.exp_avg_unc = {name: value.to(device) for name, value in part("uncertainty/").items()}
        allocator.ipt = dict(allocator.exp_avg_ipt)  # peft only looks whether a name is there
        self.config.rank_pattern = {name: kept.tolist() for name, kept in part("kept/").items()} or None


class Prefix(TrunkAdapter):
    """Learned keys and values before each layer's own (Li & Liang 2021, 2101.00190).

    The prefix is attended to but yields no token vector, so pooling over the real tokens stays as it is, and the
    tokens keep the positions of their pretraining. Only peft's prefix encoder is used: its model wrapper registers
    the word embeddings twice, under two names.
    """

    def __init__(self, transformer: PreTrainedModel, settings: Adapter) -> None:
        from peft import PrefixEncoder, PrefixTuningConfig

        super().__init__()
        shape = transformer.config
        transformer.requires_grad_(False)
        self.heads = shape.num_attention_heads
        self.layers = shape.num_hidden_layers
        self.prefix = PrefixEncoder(
            PrefixTuningConfig(
                task_type="FEATURE_EXTRACTION",
                num_virtual_tokens=settings.prefix_tokens,
                token_dim=shape.hidden_size,
                num_layers=shape.num_hidden_layers,
                num_attention_heads=shape.num_attention_heads,
                num_transformer_submodules=1,
            )
        )

    def hidden(self, transformer: PreTrainedModel, tokens_UT: Tensor, mask_UT: Tensor) -> Tensor:
        size, length = tokens_UT.shape
        prefix_P = torch.arange(self.prefix.embedding.num_embeddings, device=tokens_UT.device)
        mask = torch.cat([mask_UT.new_ones(size, len(prefix_P)), mask_UT], 1)
        # (P, layers x 2 x D) -> a key and a value of shape (U, heads, P, D / heads) for each layer
        numbers = self.prefix(prefix_P).view(len(prefix_P), self.layers, 2, self.heads, -1).permute(1, 2, 3, 0, 4)
        keys_values = [(key.expand(size, -1, -1, -1), value.expand(size, -1, -1, -1)) for key, value in numbers]
        return transformer(
            input_ids=tokens_UT,
            attention_mask=mask,
            position_ids=torch.arange(length, device=tokens_UT.device).unsqueeze(0),
            past_key_values=DynamicCache(keys_values),
        ).last_hidden_state

    def merge(self) -> bool:
        return False


def make_adapter(transformer: PreTrainedModel, settings: Adapter, max_steps: int) -> TrunkAdapter:
    """Put the adapter of ``settings`` into ``transformer``, all of whose own weights are frozen.

    Args:
        transformer: changed in place.
        settings: method and size.
        max_steps: optimiser steps of the training, over which AdaLoRA spends its rank.
    """
    match settings.method:
        case "none":
            return TrunkAdapter()
        case "lora":
            return LoRA(transformer, settings)
        case "adalora":
            return AdaLoRA(transformer, settings, max_steps)
        case "prefix":
            return Prefix(transformer, settings)
