"""What runs the forward pass of the shared encoder.

``bench/runtimes.py`` measured these and others; `choose_runtime` takes the fastest that this machine has.

Shape suffixes: U texts, T tokens, D hidden size.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from polymart.errors import SettingError
from polymart.model.elsewhere import EncodedElsewhere
from polymart.model.precision import autocast_dtype
from polymart.model.predictor import Predictor
from serving.encoding.silent import openvino
from serving.encoding.trunk import TRUNK

if TYPE_CHECKING:
    from polymart.model.encoder import TextEncoder

SETTING = "POLYMART_RUNTIME"
RUNTIMES = ("torch-float32", "torch-bfloat16", "openvino-float32", "openvino-bfloat16")
TILE = 16
"""Tokens that the processor's matrix units take at once."""
CPU_TOKENS, GPU_TOKENS = 512, 32_768
"""Tokens of a pass from which on more of them in a pass make none of them cheaper."""
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Texts of a pass are padded to one of these numbers, or to a multiple of the last."""


class Runtime(Protocol):
    """One way through the encoder; called from one thread only."""

    name: str
    pass_tokens: int
    """Tokens of a pass, padding included, that `encode` should be given at most."""

    def encode(self, tokens_UT: np.ndarray, mask_UT: np.ndarray) -> np.ndarray:
        """Vectors of padded token ids, float32 of shape (U, D)."""

    def warm_up(self, longest: int) -> None:
        """Do once what every shape of texts up to ``longest`` tokens costs once."""


class TorchRuntime:
    """The encoder as it was trained, in plain float32 or with matrix products in bfloat16."""

    def __init__(self, encoder: TextEncoder, dtype: torch.dtype = torch.float32) -> None:
        self.name = "torch-float32" if dtype is torch.float32 else "torch-bfloat16"
        self.encoder, self.dtype = encoder, dtype
        self.device = next(encoder.parameters()).device
        self.pass_tokens = CPU_TOKENS if self.device.type == "cpu" else GPU_TOKENS

    def warm_up(self, longest: int) -> None:
        """See `Runtime.warm_up`; the largest pass takes the memory that all others need."""
        for texts in (1, self.pass_tokens // longest):
            self.encode(*_blank(texts, longest))

    def encode(self, tokens_UT: np.ndarray, mask_UT: np.ndarray) -> np.ndarray:
        """See `Runtime.encode`."""
        tokens, mask = torch.from_numpy(tokens_UT).to(self.device), torch.from_numpy(mask_UT).to(self.device)
        lower = self.dtype is not torch.float32
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype if lower else None, enabled=lower):
            vectors_UD: np.ndarray = self.encoder(tokens, mask).float().cpu().numpy()
        return vectors_UD


class OpenVinoRuntime:
    """The packaged trunk (see `trunk`) on the processor.

    Args:
        trunk: the IR file.
        threads: threads of one forward pass.
        precision: ``float32`` or ``bfloat16``.
    """

    def __init__(self, trunk: Path, threads: int, precision: str) -> None:
        self.name, self.pass_tokens = f"openvino-{precision}", CPU_TOKENS
        settings = {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            # A pinned thread waits for its core while another one is idle; the heads and the server need cores, too.
            "ENABLE_CPU_PINNING": False,
        }
        self._request = openvino.Core().compile_model(trunk, "CPU", settings).create_infer_request()

    def encode(self, tokens_UT: np.ndarray, mask_UT: np.ndarray) -> np.ndarray:
        """See `Runtime.encode`.

        Every new shape costs some ten milliseconds once, so shapes are rounded up: texts to `SIZES`, tokens to
        multiples of `TILE`. That leaves few enough to have met them all before the first request.
        """
        texts, tokens = tokens_UT.shape
        padded, mask = _blank(rounded_up(texts), tokens + -tokens % TILE)
        padded[:texts, :tokens], mask[:texts] = tokens_UT, 0
        mask[:texts, :tokens] = mask_UT
        return np.array(self._request.infer([padded, mask])[0][:texts])

    def warm_up(self, longest: int) -> None:
        """See `Runtime.warm_up`."""
        for tokens in range(TILE, longest + TILE, TILE):
            for texts in SIZES:
                if texts * tokens <= self.pass_tokens:
                    self.encode(*_blank(texts, tokens))


def rounded_up(texts: int) -> int:
    """The number of texts that a pass of ``texts`` is padded to."""
    largest = SIZES[-1]
    return next((size for size in SIZES if size >= texts), -(-texts // largest) * largest)


def _blank(texts: int, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and mask of texts of one padding token each: a text must have one."""
    mask = np.zeros((texts, tokens), np.int64)
    mask[:, 0] = 1
    return np.zeros((texts, tokens), np.int64), mask


def runtime_name(packaged: Path) -> str:
    """The runtime that ``POLYMART_RUNTIME`` names; else the fastest that this machine and this release have.

    bfloat16 is taken where the device computes in it; on a
    processor only by OpenVINO, whose vector of a text does not depend on the texts beside it as torch's does.

    Args:
        packaged: folder of the packaged trunk; need not exist.

    Raises:
        SettingError: the setting names no runtime, or one that this release lacks.
    """
    trunk = packaged / TRUNK
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    fast = autocast_dtype("auto", device) is torch.bfloat16 and (device.type == "cuda" or trunk.is_file())
    library = "openvino" if trunk.is_file() and device.type == "cpu" else "torch"
    name = os.environ.get(SETTING) or f"{library}-{'bfloat16' if fast else 'float32'}"
    if name not in RUNTIMES:
        raise SettingError(f"{SETTING} is {name!r}, which is no runtime", remedy=f"use one of: {', '.join(RUNTIMES)}")
    if name.startswith("openvino") and not trunk.is_file():
        raise SettingError(
            f"{SETTING} is {name!r}, but the release has no {trunk}", remedy="package it again, or unset the variable"
        )
    return name


def choose_runtime(predictor: Predictor, packaged: Path, threads: int) -> Runtime:
    """The runtime of `runtime_name`. The predictor's encoder moves to the GPU where there is one.

    Args:
        predictor: of the release; without an encoder where the runtime is OpenVINO's.
        packaged: folder of the packaged trunk; need not exist.
        threads: threads of one forward pass of OpenVINO.

    Raises:
        SettingError: see `runtime_name`.
    """
    library, _, precision = runtime_name(packaged).partition("-")
    if library == "openvino":
        return OpenVinoRuntime(packaged / TRUNK, threads, precision)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = predictor.model.encoder.to(device)
    assert not isinstance(encoder, EncodedElsewhere), "torch runs the encoder itself"
    return TorchRuntime(encoder, getattr(torch, precision))
