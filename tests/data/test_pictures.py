"""Product photos: the published classes, and the painted colours that are exact by construction."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart.data import pictures
from polymart.data.prepare import prepare_tables
from polymart.data.validate import validate_tables
from polymart.errors import TableError
from polymart.model.image import decode_images

RANDOM = np.random.default_rng(3)
TRAIN, TEST = RANDOM.integers(1, 256, (120, 28, 28), np.uint8), RANDOM.integers(1, 256, (20, 28, 28), np.uint8)


def _idx(values):
    header = np.array([2048 + values.ndim, *values.shape], ">u4").tobytes()
    # Without the time of day in it: these bytes are part of test ids, which all workers have to agree on.
    return gzip.compress(header + values.tobytes(), mtime=0)


def _archive(folder, train=TRAIN, test=TEST, labels=None):
    for name, photos in (("train", train), ("t10k", test)):
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(_idx(photos))
        given_labels = np.arange(len(photos), dtype=np.uint8) % 10 if labels is None else labels
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(_idx(given_labels))
    return folder


def _names(positions):
    return [list(pictures.COLOURS)[position] for position in positions]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    prepare_tables({"fashion_mnist": _archive(root)}, root / "tables")
    return root / "tables"


def test_both_tables_keep_their_schema(tables):
    assert set(validate_tables(tables)["tables"]) == {"labels/image_category", "labels/image_attributes"}


def test_the_published_photos_classes_and_test_set_are_kept(tables):
    frame = pd.read_parquet(tables / "labels/image_category.parquet")
    assert set(frame.split) == {"train", "val", "test"}
    assert (frame.split.eq("test") == frame.example_id.str.startswith("t10k")).all()
    test = frame[frame.split == "test"]
    assert test.label.tolist() == [pictures.CLASSES[number % 10] for number in range(len(TEST))]
    shown = decode_images(test.image, 28) * 255
    np.testing.assert_allclose(shown, np.repeat(TEST[:, None], 3, 1), atol=1e-4)


def test_only_the_painted_labels_are_called_derived(tables):
    info = json.loads((tables / "labels/labels.json").read_text())
    assert {name: entry["data_origin"] for name, entry in info.items()} == {
        "image_category": "real",
        "image_attributes": "derived",
    }
    assert "derived" in info["image_attributes"]["note"]


def test_only_the_wanted_table_is_made(tmp_path):
    report = prepare_tables({"fashion_mnist": _archive(tmp_path)}, tmp_path / "tables", wanted=["image_category"])
    assert list(report["tables"]) == ["labels/image_category"]
    assert [rule["table"] for rule in report["rules"]] == ["labels/image_category"]


def test_a_photo_of_both_files_stays_in_the_test_file_alone(tmp_path):
    prepare_tables({"fashion_mnist": _archive(tmp_path, train=np.concatenate([TRAIN, TEST[:1]]))}, tmp_path / "tables")
    frame = pd.read_parquet(tmp_path / "tables/labels/image_category.parquet")
    assert len(frame) == len(TRAIN) + len(TEST)
    assert "t10k-00000" in set(frame.example_id)
    assert "train-00120" not in set(frame.example_id)


def test_the_painted_colours_are_those_of_the_label(tables):
    frame = pd.read_parquet(tables / "labels/image_attributes.parquet")
    assert set(frame.label.map(len)) == {1, 2}
    palette = np.array(list(pictures.COLOURS.values()))
    for pixels_CHW, label in zip(decode_images(frame.image, 28) * 255, frame.label, strict=True):
        bright = pixels_CHW.transpose(1, 2, 0).reshape(-1, 3)
        bright = bright[bright.max(1) > 120]
        # A grey that was multiplied by a colour keeps the direction of that colour.
        cosine = (bright / np.linalg.norm(bright, axis=1, keepdims=True)) @ (
            palette / np.linalg.norm(palette, axis=1, keepdims=True)
        ).T
        assert sorted(set(cosine.argmax(1))) == list(label), _names(label)


@given(st.integers(0, 27), st.integers(0, 27), st.integers(0, 10**6))
def test_two_colours_meet_inside_the_garment(top, bottom, number):
    top, bottom = sorted((top, bottom))
    grey = np.zeros((28, 28), np.uint8)
    grey[top : bottom + 1] = 200
    colours = pictures.choose_colours(f"train-{number:05d}")
    assert colours == sorted(set(colours))
    painted = pictures.paint(grey, colours)
    seen = {tuple(pixel) for pixel in painted[grey > 0]}
    assert len(seen) == min(len(colours), bottom - top + 1)
    assert not painted[grey == 0].any()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte.gz", b"no gzip", "not a whole gzip file"),
        ("train-images-idx3-ubyte.gz", _idx(TRAIN)[:-20], "not a whole gzip file"),
        ("train-images-idx3-ubyte.gz", _idx(TRAIN[:, :20]), r"\[120, 20, 28\]"),
        ("train-images-idx3-ubyte.gz", gzip.compress(b"abcdefg", mtime=0), "header"),
        ("t10k-labels-idx1-ubyte.gz", _idx(np.full(20, 10, np.uint8)), "20 photos and 20 labels up to 10"),
        ("t10k-labels-idx1-ubyte.gz", _idx(np.zeros(19, np.uint8)), "20 photos and 19 labels"),
    ],
)
def test_a_broken_file_is_named_with_what_was_found(tmp_path, name, content, message):
    _archive(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=message) as error:
        prepare_tables({"fashion_mnist": tmp_path}, tmp_path / "tables")
    assert name.split("-")[0] in str(error.value)
