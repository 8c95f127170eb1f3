"""What runs the forward pass of the shared encoder.

``bench/runtimes.py`` measured these and others; `choose_runtime` takes the fastest that this machine has.

Shape suffixes: U texts, T tokens, D hidden size.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from polymart.errors import SettingError
from polymart.model.elsewhere import EncodedElsewhere
from polymart.model.precision import autocast_dtype
from polymart.model.predictor import Predictor
from serving.encoding.silent import openvino
from serving.encoding.trunk import TRUNK, trunk_file

if TYPE_CHECKING:
    from polymart.model.encoder import TextEncoder

SETTING = "POLYMART_RUNTIME"
RUNTIMES = ("torch-float32", "torch-bfloat16", "openvino-float32", "openvino-bfloat16")
TILE = 16
"""Tokens that the processor's matrix units take at once."""
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Texts of a pass are padded to one of these numbers, or to a multiple of the last."""


@dataclass(frozen=True)
class PassShape:
    """What a pass costs, in tokens; measured with MiniLM on two cores (`docs/benchmarks.md`)."""

    tokens: int
    """From which on more of them in a pass, padding included, make none of them cheaper."""
    overhead: int
    """Of padding that cost as much as one more pass."""


MATRIX_UNITS = PassShape(512, 128)
"""bfloat16: every pass reads the weights anew, which takes longer than the products of a short text."""
VECTOR_UNITS = PassShape(128, 16)
"""float32: the products take nearly all of the time."""
GPU = PassShape(32_768, 128)


class Runtime(Protocol):
    """One way through the encoder."""

    name: str
    shape: PassShape
    lanes: int
    """Threads that may call `encode` at the same time; a core each."""

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
        self.shape = MATRIX_UNITS if self.device.type == "cpu" else GPU
        self.lanes = 1

    def warm_up(self, longest: int) -> None:
        """See `Runtime.warm_up`; the largest pass takes the memory that all others need."""
        for texts in (1, self.shape.tokens // longest):
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

    In float32 each core runs passes of its own. Threads that share one meet after every product, and wait there
    whenever one of them gave its core to a request; passes of bfloat16 are too short for that to matter.

    Args:
        trunk: the IR file.
        threads: cores to use.
        precision: ``float32`` or ``bfloat16``.
    """

    def __init__(self, trunk: Path, threads: int, precision: str) -> None:
        self.name = f"openvino-{precision}"
        self.lanes, self.shape = (threads, VECTOR_UNITS) if precision == "float32" else (1, MATRIX_UNITS)
        settings = {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": self.lanes,
            "PERFORMANCE_HINT": "LATENCY",
            # A pinned thread waits for its core while another one is idle; the heads and the server need cores, too.
            "ENABLE_CPU_PINNING": False,
        }
        compiled = openvino.Core().compile_model(trunk, "CPU", settings)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.lanes):
            self._idle.put(compiled.create_infer_request())
        # What OpenVINO's binding sets up at its first call, two threads set up never: each waits for the other's lock.
        self.encode(*_blank(1, TILE))

    def encode(self, tokens_UT: np.ndarray, mask_UT: np.ndarray) -> np.ndarray:
        """See `Runtime.encode`.

        Every new shape costs some ten milliseconds once, so shapes are rounded up: texts to `SIZES`, tokens to
        multiples of `TILE`. That leaves few enough to have met them all before the first request.
        """
        texts, tokens = tokens_UT.shape
        padded, mask = _blank(rounded_up(texts), tokens + -tokens % TILE)
        padded[:texts, :tokens], mask[:texts] = tokens_UT, 0
        mask[:texts, :tokens] = mask_UT
        request = self._idle.get()
        try:
            request.start_async([padded, mask], share_inputs=True)  # in a thread of its lane, which knows the shapes
            request.wait()
            return np.array(request.get_output_tensor(0).data[:texts])
        finally:
            self._idle.put(request)

    def warm_up(self, longest: int) -> None:
        """See `Runtime.warm_up`; all lanes at the same time, for each remembers shapes by itself."""
        with ThreadPoolExecutor(self.lanes) as pool:
            for tokens in range(TILE, longest + TILE, TILE):
                for texts in SIZES:
                    if texts == 1 or texts * tokens <= self.shape.tokens:
                        blank = _blank(texts, tokens)
                        list(pool.map(lambda _, blank=blank: self.encode(*blank), range(self.lanes)))


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


def choose_runtime(predictor: Predictor, packaged: Path, threads: int, task: str | None = None) -> Runtime:
    """The runtime of `runtime_name`. The predictor's encoder moves to the GPU where there is one.

    Args:
        predictor: of the release; without an encoder where the runtime is OpenVINO's.
        packaged: folder of the packaged trunk; need not exist.
        threads: cores that OpenVINO uses.
        task: one with layers of its own; None is for the encoder that all others share.

    Raises:
        SettingError: see `runtime_name`.
    """
    library, _, precision = runtime_name(packaged).partition("-")
    if library == "openvino":
        return OpenVinoRuntime(trunk_file(packaged, task), threads, precision)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = predictor.model.encoder_of(task).to(device)
    assert not isinstance(encoder, EncodedElsewhere), "torch runs the encoder itself"
    return TorchRuntime(encoder, getattr(torch, precision))
