"""The encoder and its optimisation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from polymart.config.base import Frozen, Name


class Adapter(Frozen):
    """A small trainable part inside a frozen encoder (peft); ``encoder.trainable_layers`` does not apply then."""

    method: Literal["none", "lora", "adalora", "prefix"] = "none"
    rank: int = Field(8, ge=1, le=256)
    """Rank of LoRA, and the average rank that AdaLoRA ends with."""
    prefix_tokens: int = Field(10, ge=1, le=128)
    """Virtual tokens of prefix tuning."""
    dropout: float = Field(0.0, ge=0, lt=1)
    orthogonality: float = Field(0.5, ge=0)
    """Weight of AdaLoRA's penalty on factors that are not orthogonal."""


class Encoder(Frozen):
    """The shared encoders of texts and of pictures."""

    dataset: Name = "minilm"
    """Archive key of the pretrained weights."""
    max_tokens: int = Field(48, ge=8, le=512)
    """Longest text in tokens; longer ones are cut."""
    trainable_layers: int = Field(6, ge=0)
    """How many top layers are fine-tuned; embeddings and the layers below stay frozen."""
    adapter: Adapter = Adapter()
    image_dataset: Name = "efficientnet_lite0"
    """Archive key of the pretrained image backbone; fetched only where a task has pictures."""
    image_size: int = Field(64, ge=32, le=512)
    """Pixels of each side to which a picture is shrunk or enlarged; time grows with its square."""
    image_trainable_blocks: int = Field(8, ge=0, le=16)
    """How many top blocks of the image backbone are fine-tuned; the blocks below stay frozen."""


class Balancing(Frozen):
    """How the tasks share one optimiser."""

    method: Literal["static", "uncertainty", "dwa", "famo", "pcgrad"] = "static"
    """Weighting of the tasks: constant, Kendall's uncertainty, dynamic weight average, FAMO or PCGrad."""
    sampling: Literal["temperature", "annealed"] = "temperature"
    """annealed goes from proportional towards uniform while training: exponent 1 - 0.8 progress."""
    temperature: float = Field(2.0, ge=1)
    """Task sampling p_t ~ min(n_t, cap)^(1/T)."""
    cap: int | None = Field(None, ge=1)
    """Examples of a task beyond which its size does not matter; none for no cap."""
    trunk_clip: float | None = Field(None, gt=0)
    """Largest norm of one task's gradient on the shared trunk; none for no limit."""
    learning_rate: float = Field(0.025, gt=0)
    """Learning rate of the weights that a method learns (uncertainty, FAMO)."""


class Distributed(Frozen):
    """More than one process or machine; on a laptop one process of its own."""

    nodes: int = Field(1, ge=1, le=256)
    """Machines; more than one makes the training step submit a TrainJob to Kubeflow Trainer."""
    processes: int = Field(1, ge=1, le=16)
    """Processes of each machine, one a GPU."""
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    """ddp keeps a whole model in every process; fsdp2 shards the trunk."""


class Training(Frozen):
    """The optimisation schedule."""

    max_steps: int = Field(400, ge=1)
    """Optimiser steps at most."""
    evaluate_every: int = Field(100, ge=1)
    """Steps between validations; early stopping looks at the geometric mean of the tasks' losses, weighted by task."""
    patience: int = Field(3, ge=1)
    """Validations without improvement before stopping."""
    micro_batches: int = Field(4, ge=1)
    """Micro-batches accumulated into one optimiser step."""
    balancing: Balancing = Balancing()
    learning_rate: float = Field(5e-5, gt=0)
    """Peak learning rate of the encoder."""
    head_learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate of feature tower and heads."""
    warmup: float = Field(0.1, ge=0, le=0.5)
    """Fraction of steps with a rising learning rate; it falls to 0 by a cosine afterwards."""
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Autocast precision while training; auto picks bfloat16 where the processor has it. float16 needs a GPU."""
    gradient_checkpointing: bool = False
    """Recompute the encoder's activations in the backward pass: less memory, about a third more time."""
    compile: bool = False
    """Compile the encoder with torch.compile: the first step takes up to minutes; measure before you keep it."""
    checkpoint_every: int = Field(0, ge=0)
    """Steps between saved states from which an interrupted training resumes; 0 takes ``evaluate_every``."""
    distributed: Distributed = Distributed()

    @model_validator(mode="after")
    def _shards_need_no_scaler(self) -> Training:
        if self.distributed.strategy == "fsdp2" and self.precision == "float16":
            raise ValueError("training.precision float16 does not work with strategy fsdp2: use bfloat16 or ddp")
        return self
