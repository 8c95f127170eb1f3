"""Product photos (Fashion-MNIST): their class as published, and colours that we paint ourselves.

Shape suffixes: N pictures, C colour channels, H W pixels.
"""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from polymart.config import Origin
from polymart.data.tables import LabelInfo, Rules, Wanted, source_file, unit_hash, write_frame
from polymart.errors import TableError

KEY = "fashion_mnist"
SIDE = 28
CLASSES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
"""In the order of the published label bytes."""
COLOURS = {
    "red": (230, 25, 35),
    "orange": (255, 130, 0),
    "yellow": (255, 230, 40),
    "green": (40, 160, 50),
    "turquoise": (0, 200, 200),
    "blue": (30, 70, 220),
    "purple": (130, 40, 170),
    "pink": (255, 140, 190),
}
VAL_SHARE = 5_000 / 60_000
TWO_COLOURED = 0.5
"""Share of pictures whose lower part has a second colour."""
NOTES = {
    "image_category": "label = the published class of a product photo; the test file as published",
    "image_attributes": "label = the one or two colours that we painted on a grey product photo: derived, hence exact",
}
ORIGINS: dict[str, Origin] = {"image_attributes": "derived"}


def write_pictures(source: Path, tables: Path, rules: Rules, wanted: Wanted = None) -> LabelInfo:
    """Write ``labels/image_category`` and ``labels/image_attributes``, or the one of them that is wanted.

    Both have example_id, image (PNG) and split; label is a class name, or the positions of colours in `COLOURS`.

    Raises:
        TableError: a file is missing, or is not what the catalogue says.
    """
    chosen = {name: NOTES[name] for name in NOTES if wanted is None or name in wanted}
    frame, grey_NHW = read_photos(source, rules, list(chosen))
    infos: LabelInfo = {}
    if "image_category" in chosen:
        frame["image"] = [encode_png(grey_HW) for grey_HW in grey_NHW]
        write_frame(tables / "labels/image_category.parquet", frame[["example_id", "image", "label", "split"]])
        infos["image_category"] = {"labels": CLASSES}
    if "image_attributes" in chosen:
        frame["label"] = frame.example_id.map(choose_colours)
        frame["image"] = [encode_png(paint(*pair)) for pair in zip(grey_NHW, frame.label, strict=True)]
        write_frame(tables / "labels/image_attributes.parquet", frame[["example_id", "image", "label", "split"]])
        infos["image_attributes"] = {"labels": list(COLOURS)}
    return infos


def read_photos(folder: Path, rules: Rules, tables: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """The photos of both files, without those that repeat.

    Args:
        folder: of the four files.
        rules: receives the rule, once for each of ``tables``.
        tables: names of the label tables that are made of the photos.

    Returns:
        A frame with example_id, label (class name) and split (a twelfth of the train file, by a stable hash of the
        id, is val), and the photos, shape (N, H, W), bytes.

    Raises:
        TableError: a file is missing, or is not what the catalogue says.
    """
    parts = [_read_part(folder, name, split) for name, split in (("t10k", "test"), ("train", "train"))]
    frame = pd.concat([part for part, _ in parts], ignore_index=True)
    grey_NHW = np.concatenate([pixels for _, pixels in parts])
    # The test file comes first, so that a photo in both files stays there alone.
    fresh = ~pd.Series([pixels.tobytes() for pixels in grey_NHW]).duplicated()
    for table in tables:
        rules.add(f"labels/{table}", "no photo is repeated: that of the test file stays", len(frame), int(fresh.sum()))
    held_out = frame.split.eq("train") & frame.example_id.map(lambda example: unit_hash(KEY, example) < VAL_SHARE)
    frame.loc[held_out, "split"] = "val"
    return frame[fresh].reset_index(drop=True), grey_NHW[fresh]


def choose_colours(example: str) -> list[int]:
    """One or two positions in `COLOURS`, ascending, that depend on the example's id alone."""
    first = int(unit_hash("first colour", example) * len(COLOURS))
    if unit_hash("two colours", example) >= TWO_COLOURED:
        return [first]
    step = 1 + int(unit_hash("second colour", example) * (len(COLOURS) - 1))
    return sorted([first, (first + step) % len(COLOURS)])


def paint(grey_HW: np.ndarray, colours: list[int]) -> np.ndarray:
    """The photo in one colour, or its upper and its lower half, by brightness, in one each; shape (H, W, C)."""
    palette = np.array(list(COLOURS.values()))[colours]
    brightness = grey_HW.sum(1, dtype=np.int64).cumsum()
    lower_H = 2 * brightness > brightness[-1] if len(colours) == 2 else np.zeros(len(grey_HW), bool)
    tint_H1C = palette[lower_H.astype(int)][:, None]
    return (grey_HW[..., None] * tint_H1C // 255).astype(np.uint8)


def encode_png(pixels: np.ndarray) -> bytes:
    """A PNG whose bytes depend on the pixels alone."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=6)
    return file.getvalue()


def _read_part(folder: Path, name: str, split: str) -> tuple[pd.DataFrame, np.ndarray]:
    pixels = _read_idx(folder, f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, SIDE, SIDE)
    labels = _read_idx(folder, f"{name}-labels-idx1-ubyte.gz", 8)
    if len(pixels) != len(labels) or (len(labels) and labels.max() >= len(CLASSES)):
        raise TableError(
            f"source {KEY}: the {name} files must pair each photo with a class 0..{len(CLASSES) - 1}; "
            f"found {len(pixels)} photos and {len(labels)} labels up to {labels.max(initial=0)}",
            remedy="fetch the archive again",
        )
    names = np.array(CLASSES, object)[labels]
    ids = [f"{name}-{number:05d}" for number in range(len(labels))]
    return pd.DataFrame({"example_id": ids, "label": names, "split": split}), pixels


def _read_idx(folder: Path, name: str, offset: int) -> np.ndarray:
    """The bytes behind the header of an IDX file; the header's count and sides must fit them."""
    path = source_file(folder, name, KEY)
    try:
        content = gzip.decompress(Path(path).read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(
            f"source {KEY}: {path} is not a whole gzip file: {error}", remedy="fetch the archive again"
        ) from error
    shape = np.frombuffer(content[4:offset].ljust(offset - 4, b"\0"), ">u4")
    values = np.frombuffer(content[offset:], np.uint8)
    if shape.prod(dtype=object) != len(values) or set(shape[1:]) - {SIDE} or len(content) < offset:
        raise TableError(
            f"source {KEY}: {path} must hold the {SIDE} x {SIDE} photos or labels that its header counts; "
            f"found the header {shape.tolist()} before {len(values)} bytes",
            remedy="fetch the archive again",
        )
    return values
