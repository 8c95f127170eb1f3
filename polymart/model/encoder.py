"""The shared text encoder: a pretrained transformer, mean-pooled.

Shape suffixes: U unique texts, T tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.utils import logging as transformers_logging

from polymart.config import Adapter
from polymart.errors import CheckpointError
from polymart.model.adapters import TrunkAdapter, make_adapter
from polymart.model.attention import ATTENTION

NO_ADAPTER = Adapter()
LAYERS = "encoder.layer"
AnyModule = TypeVar("AnyModule", bound=nn.Module)


class TextEncoder(nn.Module):
    """A BERT-like transformer whose token vectors are averaged over the real tokens (Reimers & Gurevych 2019)."""

    def __init__(
        self, transformer: PreTrainedModel, trainable_layers: int, adapter: Adapter = NO_ADAPTER, max_steps: int = 1
    ) -> None:
        """Freeze what is not to be trained.

        Args:
            transformer: changed in place.
            trainable_layers: how many top layers are fine-tuned, where there is no adapter.
            adapter: the adapter to put in; its weights are then the only trainable ones.
            max_steps: optimiser steps of the training (AdaLoRA's schedule).
        """
        super().__init__()
        self.transformer: PreTrainedModel = transformer
        self.width = int(transformer.config.hidden_size)
        self.freeze_below(trainable_layers)
        self.adapter = make_adapter(transformer, adapter, max_steps)

    @classmethod
    def from_pretrained(
        cls, folder: Path, trainable_layers: int, adapter: Adapter = NO_ADAPTER, max_steps: int = 1
    ) -> TextEncoder:
        """Load pretrained weights from a folder with ``config.json`` and ``model.safetensors``.

        Raises:
            CheckpointError: the folder holds no such model.
        """
        # A bar for a load of a second and a report of the pooler, which is left out, would stand in every log.
        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()
        try:
            model = AutoModel.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                add_pooling_layer=False,
                attn_implementation=ATTENTION,
                # Dropout inside attention would rule out the fused kernel; dropout on hidden states stays.
                attention_probs_dropout_prob=0.0,
            )
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"no pretrained encoder in {folder}: {error}", remedy="fetch it with `polymart data fetch minilm`"
            ) from error
        return cls(model, trainable_layers, adapter, max_steps)

    @classmethod
    def from_config(
        cls, folder: Path, trainable_layers: int, adapter: Adapter = NO_ADAPTER, max_steps: int = 1
    ) -> TextEncoder:
        """An encoder of the right shape whose weights a checkpoint will fill."""
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_config(config, add_pooling_layer=False, attn_implementation=ATTENTION)
        return cls(model, trainable_layers, adapter, max_steps)

    def freeze_below(self, trainable_layers: int) -> None:
        """Freeze the embeddings and all but the top ``trainable_layers`` layers."""
        layers = self._layers()
        frozen = max(0, len(layers) - trainable_layers)
        for module in (self.transformer.get_submodule("embeddings"), *layers[:frozen]):
            module.requires_grad_(False)

    def _layers(self) -> list[nn.Module]:
        return list(self.transformer.get_submodule(LAYERS).children())

    def copy_of_top(self, layers: int) -> nn.ModuleList:
        """The ``layers`` top layers with weights of their own, for `with_top`."""
        return nn.ModuleList(deepcopy(layer) for layer in self._layers()[-layers:])

    def with_top(self, top: nn.ModuleList) -> TextEncoder:
        """This encoder with ``top`` in the place of its top layers; everything below is this one's, not a copy.

        It is a view: whoever trains, moves or saves the weights holds this encoder and ``top``.
        """
        view = _shell(self)
        view.transformer = _shell(self.transformer)
        compiled = view.transformer._compiled_call_impl is not None
        view.transformer._compiled_call_impl = None  # it would run the layers that it was made of
        body = _shell(view.transformer.get_submodule("encoder"))
        body.layer = nn.ModuleList([*self._layers()[: -len(top)], *top])
        view.transformer.encoder = body
        if compiled:
            view.compile_transformer()
        return view

    def forward(self, tokens_UT: Tensor, mask_UT: Tensor) -> Tensor:
        """Mean-pooled vectors, shape (U, D)."""
        hidden_UTD = self.adapter.hidden(self.transformer, tokens_UT, mask_UT)
        weight_UT1 = mask_UT.unsqueeze(-1).to(hidden_UTD.dtype)
        return (hidden_UTD * weight_UT1).sum(1) / weight_UT1.sum(1).clamp(min=1)

    def regulariser(self) -> Tensor | None:
        """The adapter's penalty, to be added to the loss once a step."""
        return self.adapter.regulariser()

    def after_backward(self, step: int) -> None:
        """The adapter's own work in steps 1, 2, ...: after the optimiser's step, before the gradients are cleared."""
        self.adapter.after_backward(step)

    def training_state(self) -> dict[str, Tensor]:
        """What resuming the training needs beside the weights."""
        return self.adapter.training_state()

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from `training_state`."""
        self.adapter.load_training_state(state)

    def merge_adapter(self) -> None:
        """Fold the adapter into the weights for good, where it can be: inference then costs nothing extra."""
        if self.adapter.merge():
            self.adapter = TrunkAdapter()

    def checkpoint_gradients(self) -> None:
        """Recompute activations in the backward pass: less memory, about a third more time."""
        self.transformer.activation_checkpointing_enable({"use_reentrant": False})

    def compile_transformer(self) -> None:
        """Compile the transformer, at its first call, for texts of any number and length; names stay as they are."""
        self.transformer.compile(dynamic=True)


def _shell(module: AnyModule) -> AnyModule:
    """A module with the same parts, whose parts can be exchanged without exchanging those of ``module``."""
    shell = copy(module)
    shell._modules = dict(module._modules)
    return shell
