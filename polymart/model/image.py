"""Pictures: encoded bytes to arrays, and arrays to vectors of the shared width.

Shape suffixes: B examples, C colour channels, H W pixels, D width of the text encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from torch import Tensor, nn

from polymart.errors import TableError
from polymart.model.efficientnet import NUM_BLOCKS, NUM_FEATURES, EfficientNetLite0

WEIGHTS = "efficientnet-lite0-57934424.pth"
"""The published weights inside the archive ``efficientnet_lite0``."""
FORMATS = ("PNG", "JPEG")
"""The only formats that are read: each further parser is a way in for a hostile file."""
MAX_BYTES = 10 * 2**20
"""Longest encoded picture."""
MAX_PIXELS = 25_000_000
"""Most pixels of a picture, read from its header before anything is unpacked."""


class ImageTower(nn.Module):
    """A pretrained EfficientNet-Lite0 and a projection to the width of the shared text encoder."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.project = nn.Linear(NUM_FEATURES, width)

    @classmethod
    def from_pretrained(cls, folder: Path, width: int, trainable_blocks: int = NUM_BLOCKS) -> ImageTower:
        """A tower with the published weights, of which the top ``trainable_blocks`` blocks are trained.

        Raises:
            CheckpointError: the folder holds no such weights.
        """
        tower = cls(width)
        tower.backbone.load_published(folder / WEIGHTS)
        tower.backbone.freeze_below(trainable_blocks)
        return tower

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Vectors, shape (B, D), of pictures as `decode_images` makes them."""
        return self.project(self.backbone(image_BCHW))


def decode_images(column: Sequence[bytes] | pd.Series, size: int, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Encoded pictures as float32 values in 0..1, shape (B, 3, ``size``, ``size``).

    A picture is turned upright by its EXIF mark, shrunk or enlarged to fit, and centred on a white square;
    transparency shows white, too. Of 16 bits the upper 8 count; of an animation the first frame.

    Raises:
        TableError: a value is no bytes, empty, larger than `MAX_BYTES` or ``max_pixels``, or no whole PNG or JPEG.
    """
    cells = column if isinstance(column, pd.Series) else pd.Series(column, dtype=object)
    pixels_BHWC = np.empty((len(cells), size, size, 3), np.uint8)
    for position, (row, value) in enumerate(cells.items()):
        try:
            pixels_BHWC[position] = _decode(value, size, max_pixels)
        # Pillow meets broken files with many kinds of error, from zlib's to IndexError.
        except Exception as error:
            raise TableError(
                f"row {row}: the picture must be a whole {' or '.join(FORMATS)} of at most {MAX_BYTES:,} bytes and "
                f"{max_pixels:,} pixels; found {_found(value)}: {error}",
                remedy="replace the picture, or leave its row out",
            ) from error
    return np.ascontiguousarray(pixels_BHWC.transpose(0, 3, 1, 2)).astype(np.float32) / 255


def _decode(value: object, size: int, max_pixels: int) -> np.ndarray:
    """Upright 8-bit RGB pixels of one picture on a white square, shape (size, size, 3)."""
    if not isinstance(value, bytes):
        raise TypeError("no picture")
    if not 0 < len(value) <= MAX_BYTES:
        raise ValueError("the length is out of bounds")
    with Image.open(BytesIO(value), formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise ValueError(f"{image.width} x {image.height} pixels")
        upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16-bit grey
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    scale = size / max(upright.size)
    width, height = (max(1, round(side * scale)) for side in upright.size)
    # Resized before it meets the white, with its alpha premultiplied by Pillow: no dark fringe.
    fitted = upright.convert("RGBA").resize((width, height), Image.Resampling.BILINEAR)
    square = Image.new("RGBA", (size, size), "white")
    square.alpha_composite(fitted, ((size - width) // 2, (size - height) // 2))
    return np.asarray(square.convert("RGB"))


def _found(value: object) -> str:
    return f"{len(value):,} bytes" if isinstance(value, bytes) else type(value).__name__
