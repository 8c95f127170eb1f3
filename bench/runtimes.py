"""Which runtime the encoder should run on: texts per second on this machine, and what its precision changes.

Every runtime of the service, and others it could have had: torch.compile, and torch's dynamic int8. Left out, because
their packages are no dependencies: ONNX Runtime, and OpenVINO's int8, which wants nncf. A runtime passes parity
when it keeps 98 % of every text's ten nearest texts; the fastest that does should be what the service chooses.

Texts of the shop's tasks in a random order, in the passes that the service makes of texts that all wait: of each
runtime's own size, side by side where it has lanes. All runtimes take turns in every round, so that a busy moment of
the machine meets them alike.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from bench import claim, machine
from bench._examples import examples_of
from bench.training import mixture
from polymart.data.examples import read_examples_index
from polymart.model.encoder import TextEncoder
from polymart.model.precision import autocast_dtype
from polymart.model.predictor import Predictor
from polymart.model.texts import clean_text, fit_tokenizer, longest_text, padded, padding_id, token_ids
from serving.encoding.batching import next_pass
from serving.encoding.runtimes import OpenVinoRuntime, PassShape, Runtime, TorchRuntime, runtime_name
from serving.encoding.trunk import TRUNK, save_trunk
from serving.precision import MIN_OVERLAP, Batches, neighbour_overlap, sample_columns

MAX_TOKENS, SEED = 64, 17
EAGER = "torch-float32"
ALONE = 64
"""Texts encoded one by one."""


@dataclass(frozen=True)
class Measured:
    """One runtime."""

    texts_per_s: float
    """Of texts that all wait."""
    single_ms: float
    """Median of a text alone."""
    overlap: float
    cosine: float
    """Of the worst vector with its float32 one."""


def main() -> None:
    """Measure all runtimes and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--checkpoint", type=Path, help="measure its encoder instead of the pretrained one")
    arguments = parser.parse_args()
    suite = mixture(steps=1, limit=400)
    examples, pretrained = examples_of(suite)
    if arguments.checkpoint:
        checkpoint = Predictor.load(arguments.checkpoint).checkpoint
        encoder, tokenizer = checkpoint.model.encoder, checkpoint.tokenizer
    else:
        encoder = TextEncoder.from_pretrained(pretrained, 0).eval()
        tokenizer = Tokenizer.from_file(str(pretrained / "tokenizer.json"))
    present = [task for task in suite.tasks if task.name in read_examples_index(examples).tasks]
    texts = sample_columns(examples, present, 64 if arguments.small else 512)
    random.Random(SEED).shuffle(texts)
    tokenizer = fit_tokenizer(tokenizer, MAX_TOKENS)
    ids = token_ids([clean_text(text, longest_text(tokenizer)) for text in texts], tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        made = runtimes(encoder, Path(folder), compiled=not arguments.small)
        default = runtime_name(Path(folder))
        found = measure(made, ids, padding_id(tokenizer), rounds=2 if arguments.small else 9)
    print(json.dumps(machine()), flush=True)
    for name, one in found.items():
        print(f"{name:18} {one}", flush=True)
    print_claims(found, default, len(texts))


def runtimes(encoder: TextEncoder, folder: Path, compiled: bool) -> dict[str, Runtime]:
    """Every contender by name; those in bfloat16 only where the processor computes in it, since others emulate it."""
    threads, dtypes = torch.get_num_threads(), {"float32": torch.float32}
    if fast := autocast_dtype("auto", torch.device("cpu")):
        dtypes["bfloat16"] = fast
    found: dict[str, Runtime] = {f"torch-{name}": TorchRuntime(encoder, dtype) for name, dtype in dtypes.items()}
    if save_trunk(encoder, folder):
        found |= {f"openvino-{name}": OpenVinoRuntime(folder / TRUNK, threads, name) for name in dtypes}
    with warnings.catch_warnings():  # it moved into a package of its own, which is no dependency
        warnings.simplefilter("ignore")
        int8 = torch.ao.quantization.quantize_dynamic(copy.deepcopy(encoder), {nn.Linear}, dtype=torch.qint8)
    found["torch-int8"] = TorchRuntime(int8)
    if compiled:
        for name, dtype in dtypes.items():
            own = copy.deepcopy(encoder)
            own.compile_transformer()
            found[f"compile-{name}"] = TorchRuntime(own, dtype)
    return found


def measure(made: Mapping[str, Runtime], ids: Sequence[np.ndarray], pad: int, rounds: int) -> dict[str, Measured]:
    """Every runtime on the same texts, given by their token ids, by turns; medians over the rounds."""
    passes = {name: passes_of(ids, pad, runtime.shape) for name, runtime in made.items()}
    alone = [(one[None], np.ones((1, len(one)), np.int64)) for one in ids[:: max(1, len(ids) // ALONE)]]
    vectors = {name: encoded(runtime, passes[name]) for name, runtime in made.items()}  # every shape once, untimed
    together_s: dict[str, list[float]] = {name: [] for name in made}
    single_s: dict[str, list[float]] = {name: [] for name in made}
    for runtime in made.values():
        timed(runtime, alone, 1)
    for _ in range(rounds):
        for name, runtime in made.items():
            together_s[name].append(timed(runtime, [one for _, one in passes[name]], runtime.lanes))
            single_s[name].append(timed(runtime, alone, 1) / len(alone))
    return {
        name: Measured(
            len(ids) / float(np.median(together_s[name])),
            1000 * float(np.median(single_s[name])),
            neighbour_overlap(vectors[name], vectors[EAGER]),
            cosine(vectors[name], vectors[EAGER]),
        )
        for name in made
    }


def passes_of(
    ids: Sequence[np.ndarray], pad: int, shape: PassShape
) -> list[tuple[list[int], tuple[np.ndarray, np.ndarray]]]:
    """The passes that the service makes of texts that all wait: positions in ``ids``; token ids and mask."""
    waiting, found = dict(enumerate(ids)), []
    while waiting:
        chosen = next_pass(waiting, shape)
        tokens, mask = padded([waiting.pop(number) for number in chosen], pad)
        found.append((chosen, (tokens.numpy(), mask.numpy())))
    return found


def encoded(runtime: Runtime, passes: Sequence[tuple[list[int], tuple[np.ndarray, np.ndarray]]]) -> np.ndarray:
    """Vectors in the order of the texts, shape (U, D)."""
    numbers = np.concatenate([chosen for chosen, _ in passes])
    found_UD: np.ndarray = np.concatenate([runtime.encode(*one) for _, one in passes])[np.argsort(numbers)]
    return found_UD


def timed(runtime: Runtime, batches: Batches, callers: int) -> float:
    """Seconds of all batches, each encoded by the next free of ``callers`` threads."""
    with ThreadPoolExecutor(callers) as pool:
        started = time.perf_counter()
        list(pool.map(lambda one: runtime.encode(*one), batches))
        return time.perf_counter() - started


def cosine(found_UD: np.ndarray, expected_UD: np.ndarray) -> float:
    """Of the worst pair."""
    norms = np.linalg.norm(found_UD, axis=1) * np.linalg.norm(expected_UD, axis=1)
    return float(((found_UD * expected_UD).sum(1) / norms).min())


def print_claims(found: Mapping[str, Measured], name: str, num_texts: int) -> None:
    """The service's choice is much faster than eager float32, true to it, and no other such runtime is faster."""
    eager, default = found[EAGER], found[name]
    gain = default.texts_per_s / eager.texts_per_s
    claim(f"texts/s of {name} over {EAGER}, texts that all wait", gain, ">= 2.0", gain >= 2.0, num_texts)
    single = eager.single_ms / default.single_ms
    claim("the same, one text", single, ">= 1.5", single >= 1.5, num_texts)
    true = default.overlap >= MIN_OVERLAP
    claim(f"neighbour overlap of {name}", default.overlap, f">= {MIN_OVERLAP}", true, num_texts)
    fastest = max(one.texts_per_s for one in found.values() if one.overlap >= MIN_OVERLAP)
    share = default.texts_per_s / fastest
    claim("its speed over the fastest that passes parity", share, ">= 0.95", share >= 0.95, num_texts)


if __name__ == "__main__":
    main()
