"""EfficientNet-Lite0 (Liu 2020, after Tan & Le 2019): pictures to 1,280 features, with ImageNet weights.

Lite leaves out squeeze-and-excitation and uses ReLU6, which keeps it fast on processors and exact in low precision.

Shape suffixes: B examples, C colour channels, H W pixels, F features.
"""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn
from torch.nn import functional

from polymart.errors import CheckpointError

NUM_FEATURES = 1280
STEM_CHANNELS = 32
STAGES = [
    # (blocks, kernel, stride of the first, expansion, output channels)
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
NUM_BLOCKS = sum(count for count, *_ in STAGES)


class Unit(nn.Module):
    """Convolution, batch normalisation by frozen statistics, and ReLU6 where ``active``."""

    def __init__(self, num_in: int, num_out: int, kernel: int, stride: int, groups: int, active: bool) -> None:
        super().__init__()
        # At stride 1 TensorFlow's "same" padding, under which the weights were learned, is the even one.
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(num_in, num_out, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(num_out, eps=1e-3)
        self.active = active

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if self.conv.stride[0] > 1:
            x_BCHW = functional.pad(x_BCHW, self._padding(x_BCHW))
        x_BCHW = self.norm(self.conv(x_BCHW))
        return functional.relu6(x_BCHW) if self.active else x_BCHW

    def _padding(self, x_BCHW: Tensor) -> list[int]:
        """TensorFlow's "same" padding of a stride: the odd pixel goes right and below."""
        sides = []
        for size in (x_BCHW.shape[3], x_BCHW.shape[2]):
            kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
            total = max((size - 1) // stride * stride + kernel - size, 0)
            sides += [total // 2, total - total // 2]
        return sides

    def train(self, mode: bool = True) -> Unit:
        """The statistics of ImageNet stay: those of a micro-batch of one task would mislead the other tasks."""
        super().train(mode)
        self.norm.eval()
        return self


class Block(nn.Module):
    """Inverted residual (Sandler et al. 2018): widen, filter each channel, narrow, add the input where it fits."""

    def __init__(self, num_in: int, num_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = num_in * expansion
        units = [Unit(num_in, wide, 1, 1, 1, active=True)] if expansion > 1 else []
        units += [Unit(wide, wide, kernel, stride, wide, active=True), Unit(wide, num_out, 1, 1, 1, active=False)]
        self.units = nn.Sequential(*units)
        self.adds_input = stride == 1 and num_in == num_out

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.units(x_BCHW) + x_BCHW if self.adds_input else self.units(x_BCHW)


class EfficientNetLite0(nn.Module):
    """Stem, 16 blocks and a last 1x1 convolution, averaged over all places."""

    def __init__(self) -> None:
        super().__init__()
        blocks, width = [], STEM_CHANNELS
        for count, kernel, stride, expansion, num_out in STAGES:
            for position in range(count):
                blocks.append(Block(width, num_out, kernel, stride if position == 0 else 1, expansion))
                width = num_out
        self.stem = Unit(3, STEM_CHANNELS, 3, 2, 1, active=True)
        self.blocks = nn.Sequential(*blocks)
        self.top = Unit(width, NUM_FEATURES, 1, 1, 1, active=True)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Features, shape (B, F), of pictures whose values lie in 0..1."""
        # The published network was trained on (byte - 127) / 128. Channels last is twice as fast on processors.
        x_BCHW = ((image_BCHW * 255 - 127) / 128).contiguous(memory_format=torch.channels_last)
        return self.top(self.blocks(self.stem(x_BCHW))).mean((2, 3))

    def freeze_below(self, trainable_blocks: int) -> None:
        """Train the top ``trainable_blocks`` blocks and the last convolution, except for their depthwise filters.

        Those hold 5% of the weights, and their gradient alone costs more on a processor than all the rest of a step.
        """
        self.requires_grad_(False)
        self.top.requires_grad_(True)
        for block in list(self.blocks)[max(0, NUM_BLOCKS - trainable_blocks) :]:
            block.requires_grad_(True)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                module.requires_grad_(False)

    def load_published(self, file: Path) -> None:
        """Fill the network with the published ImageNet weights.

        Raises:
            CheckpointError: the file is absent, or does not hold the weights of this network.
        """
        try:
            # The file is a pickle. It came through a pinned sha256 and is read with weights_only, which builds
            # tensors and runs no code of the file; from here on the weights live in safetensors.
            published = torch.load(file, map_location="cpu", weights_only=True)
            # Other names, same order: strict loading compares the number of tensors and each shape.
            values = [value for name, value in published.items() if not name.startswith("_fc.")]
            self.load_state_dict(dict(zip(self.state_dict(), values, strict=True)))
        except (OSError, EOFError, RuntimeError, ValueError, AttributeError, UnpicklingError) as error:
            raise CheckpointError(
                f"{file} must hold the weights of EfficientNet-Lite0: {error}",
                remedy="fetch them with `polymart data fetch efficientnet_lite0`",
            ) from error
