"""``/picture``: every picture task of the release from one pass of the image tower.

Shape suffixes: B pictures (always 1), C colour channels, H W pixels, D width, S scores.
"""

from __future__ import annotations

import binascii
import threading
from base64 import b64decode
from typing import Any

import torch

from polymart.config import Task
from polymart.errors import TableError
from polymart.model.batch import Batch
from polymart.model.image import decode_images
from serving.contract import MAX_PICTURE, MAX_PIXELS
from serving.refusals import UnreadablePictureError
from serving.scoring import Scorer

MAX_SCANS = 30
"""Passes over a JPEG's pixels: a progressive one needs about ten, a hostile one holds thousands in a few bytes."""
START_OF_SCAN = b"\xff\xda"
_unpacking = threading.Lock()
"""One picture at a time: the largest takes 200 MB and a quarter of a second while it is unpacked."""


def is_picture_only(task: Task) -> bool:
    """Whether ``task`` reads one picture and nothing else, so that it can share the pass of other such tasks."""
    others = task.inputs.model_dump(exclude={"image"}, exclude_defaults=True)
    return bool(task.inputs.image) and not (task.feature_service or others)


def see(scorer: Scorer, image: str, top: int) -> dict[str, dict[str, Any]]:
    """The answer of every picture task to a PNG or JPEG in base64.

    Raises:
        UnknownTaskError: the release has no picture task.
        UnreadablePictureError: no base64, no PNG or JPEG, not whole, or too large.
    """
    predictor, tower = scorer.predictor, scorer.predictor.model.image
    tasks = [task for task in scorer.tasks.values() if is_picture_only(task)]
    if not tasks or tower is None:
        raise scorer.absent("sees pictures")
    image_BCHW = _pixels(_content(image), predictor.checkpoint.suite.encoder.image_size).to(predictor.device)
    answers = {}
    with torch.inference_mode():
        image_BD = tower(image_BCHW)
        for task in tasks:
            outputs_BO = predictor.model.head(task.name)(Batch(size=1), None, None, image_BD)
            scores_BS = predictor.kinds[task.name].activate(outputs_BO.float()).cpu().numpy()
            labels = predictor.checkpoint.tasks[task.name].labels
            answers[task.name] = predictor.kinds[task.name].decode(scores_BS, labels, top)[0]
    return answers


def _content(image: str) -> bytes:
    try:
        content = b64decode(image, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadablePictureError(
            "the picture must be base64, found other characters or a wrong length",
            remedy="encode the file's bytes as base64, without line breaks and without a data: prefix",
        ) from error
    if len(content) > MAX_PICTURE:
        raise UnreadablePictureError(
            f"the picture must hold at most {MAX_PICTURE:,} bytes, found {len(content):,}", remedy="shrink it"
        )
    if (scans := content.count(START_OF_SCAN)) > MAX_SCANS and content.startswith(b"\xff\xd8"):
        raise UnreadablePictureError(
            f"the picture must have at most {MAX_SCANS} scans, found {scans}", remedy="save it as a plain JPEG or PNG"
        )
    return content


def _pixels(content: bytes, size: int) -> torch.Tensor:
    try:
        with _unpacking:
            return torch.from_numpy(decode_images([content], size, MAX_PIXELS))
    except TableError as error:
        # Of the reasons only our own: Pillow's tell of addresses in memory.
        reason = f" with {error.__cause__}" if isinstance(error.__cause__, ValueError) else ""
        raise UnreadablePictureError(
            f"the picture must be a whole PNG or JPEG of at most {MAX_PICTURE:,} bytes and {MAX_PIXELS:,} pixels, "
            f"found {len(content):,} bytes{reason}",
            remedy="send another file, or shrink it",
        ) from error
