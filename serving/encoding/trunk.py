"""The trunk in the form that OpenVINO reads, converted when a release is packaged.

Shape suffixes: U texts, T tokens, D hidden size.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cosine_similarity

from serving.encoding.silent import openvino

if TYPE_CHECKING:
    from polymart.model.encoder import TextEncoder

TRUNK = "trunk.xml"
"""The shared one; `trunk_file` tells where a task's own lies."""
MIN_COSINE = 0.9999
"""Of a vector of the converted trunk in float32; its weights are kept in float16, which is finer than bfloat16."""
SHAPES = ((1, 3), (3, 16), (2, 29))
"""Of the texts that the conversion is tried on, none of them the shape that it was made with."""
_log = logging.getLogger(__name__)


def trunk_file(folder: Path, task: str | None = None) -> Path:
    """The trunk through which ``task``, which has layers of its own, reads texts; None is the one that others share."""
    return folder / (f"trunk-{task}.xml" if task else TRUNK)


def save_trunk(encoder: TextEncoder, folder: Path, task: str | None = None) -> bool:
    """Write the `trunk_file` and its weights, of the same name and ``.bin``, into ``folder``.

    Returns:
        Whether there is a trunk now. An encoder of a shape that cannot be converted truly is served by torch.
    """
    try:
        model = converted(encoder)
        loss = _loss(encoder, model)
    except Exception as error:  # whatever the converter cannot do, torch can
        _log.warning("the encoder cannot be converted for OpenVINO, so torch will serve it: %s", error)
        return False
    if loss > 1 - MIN_COSINE:
        _log.warning("the converted encoder strays from the encoder by %.2g, so torch will serve it", loss)
        return False
    openvino.save_model(model, trunk_file(folder, task), compress_to_fp16=True)
    return True


def converted(encoder: TextEncoder) -> openvino.Model:
    """``encoder`` with its pooling, for texts of any number and length."""
    from transformers.utils import logging as transformers_logging  # a server does without

    transformers_logging.set_verbosity_error()  # the tracer looks at every attribute, and some warn of their names
    example = torch.ones(2, 8, dtype=torch.int64)
    with warnings.catch_warnings():  # of the tracer, about shapes; `_loss` looks whether it took one for a constant
        warnings.simplefilter("ignore")
        model = openvino.convert_model(encoder.eval(), example_input=(example, example))
    # Names count up within a process; equal trunks must give equal bytes.
    model.set_friendly_name("trunk")
    for position, operation in enumerate(model.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{position}")
    return model


def _loss(encoder: TextEncoder, model: openvino.Model) -> float:
    """1 - cosine of the worst vector over texts of `SHAPES`, half of each text's second half being padding."""
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    vocabulary = encoder.transformer.config.vocab_size
    worst = 0.0
    for texts, length in SHAPES:
        generator = torch.Generator().manual_seed(length)
        tokens_UT = torch.randint(vocabulary, (texts, length), generator=generator)
        mask_UT = (torch.arange(length) < length - torch.arange(texts)[:, None]).long()
        with torch.inference_mode():
            expected_UD = encoder(tokens_UT, mask_UT)
        found_UD = torch.from_numpy(compiled([tokens_UT.numpy(), mask_UT.numpy()])[0])
        worst = max(worst, float((1 - cosine_similarity(found_UD, expected_UD)).max()))
    return worst
