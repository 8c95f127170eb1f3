"""Encoded pictures to arrays: what is shown, and every way in which a file can be no picture."""

import struct
import warnings
import zlib
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from polymart.errors import TableError
from polymart.model.image import MAX_BYTES, MAX_PIXELS, decode_images

WHITE = [1.0, 1.0, 1.0]


def _encode(image, form="PNG", **options):
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _png_header(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0")) + _chunk(b"IEND", b"")


PHOTO = _encode(Image.fromarray(_noise((32, 32, 3))))
JPEG = _encode(Image.fromarray(_noise((32, 32, 3))), "JPEG")


def test_a_picture_of_the_wanted_size_keeps_its_values():
    pixels = _noise((2, 32, 32, 3))
    shown = decode_images([_encode(Image.fromarray(p)) for p in pixels], 32)
    assert shown.shape == (2, 3, 32, 32)
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown * 255, pixels.transpose(0, 3, 1, 2), atol=1e-4)


@given(st.integers(1, 90), st.integers(1, 90))
@example(2000, 1)
@example(1, 2000)
def test_a_picture_of_any_shape_is_centred_on_a_white_square(width, height):
    shown = decode_images([_encode(Image.new("RGB", (width, height), (255, 0, 0)))], 32)[0]
    red = shown[1] < 0.5
    assert red.any(0).sum() == max(1, round(32 * width / max(width, height)))
    assert red.any(1).sum() == max(1, round(32 * height / max(width, height)))
    assert np.allclose(shown[:, red].T, [1, 0, 0])
    assert (shown[:, ~red] == 1).all()
    for filled in (red.any(0), red.any(1)):
        assert abs(filled.argmax() - filled[::-1].argmax()) <= 1


def test_transparency_shows_white():
    alpha = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0, 0, 0, 255])
    palette.putpixel((0, 0), 1)
    shown = decode_images([_encode(alpha), _encode(palette, transparency=0)], 8)
    assert (shown[0] == 1).all()
    assert shown[1, :, 7, 7].tolist() == WHITE
    assert shown[1, :, 0, 0].tolist() == [0, 0, 1]


def test_half_a_transparency_mixes_with_white():
    shown = decode_images([_encode(Image.new("RGBA", (8, 8), (0, 0, 0, 128)))], 8)
    np.testing.assert_allclose(shown, 127 / 255, atol=0.01)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_mark_of_rotation_is_followed(form):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = 255  # white above black
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right: what was above comes to the right
    shown = decode_images([_encode(Image.fromarray(pixels), form, exif=exif)], 16)[0]
    assert (shown[:, :, 10:] > 0.9).all()
    assert (shown[:, :, :6] < 0.1).all()


def test_the_upper_8_of_16_bits_count():
    deep = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    shown = decode_images([_encode(Image.fromarray(deep))], 8)[0]
    np.testing.assert_allclose(shown * 255, np.repeat((deep >> 8)[None], 3, 0), atol=1e-4)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "CMYK"])
def test_other_modes_become_colours(mode):
    grey = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 8, 1).repeat(16, 0))
    form = "JPEG" if mode == "CMYK" else "PNG"
    shown = decode_images([_encode(grey.convert("RGB").convert(mode), form)], 16)[0]
    assert (shown[:, :, :4] < 0.05).all()
    assert (shown[:, :, 12:] > 0.95).all()


def test_an_animation_shows_its_first_frame():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    shown = decode_images([_encode(frames[0], save_all=True, append_images=frames[1:])], 8)[0]
    assert shown[:, 4, 4].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"", "0 bytes"),
        (None, "NoneType: no picture"),
        (float("nan"), "float: no picture"),
        ("text", "str: no picture"),
        (b"no picture at all", "17 bytes: cannot identify"),
        (PHOTO[:-40], "bytes"),
        (PHOTO[:30], "30 bytes"),
        (JPEG[: len(JPEG) // 2], "truncated"),
        (_encode(Image.new("RGB", (8, 8)), "GIF"), "cannot identify"),
        (_encode(Image.new("RGB", (8, 8)), "BMP"), "cannot identify"),
        (PHOTO + b"\0" * MAX_BYTES, "out of bounds"),
        (_png_header(MAX_PIXELS // 1000 + 1, 1000), "25001 x 1000 pixels"),
        (_png_header(2**31 - 1, 2**31 - 1), "bytes"),
        (_png_header(0, 5), "bytes"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_is_no_picture_is_named_with_row_and_rule(value, found):
    column = pd.Series([PHOTO, value], index=["e1", "e7"])
    with pytest.raises(TableError, match="row e7: the picture must be a whole PNG or JPEG of at most") as error:
        decode_images(column, 16)
    assert found in str(error.value)


def test_a_bomb_of_text_is_refused():
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "a" * 80_000_000, zip=True)
    bomb = _encode(Image.new("RGB", (8, 8)), pnginfo=text)
    assert len(bomb) < 100_000
    with pytest.raises(TableError, match="row 0"):
        decode_images([bomb], 16)


def _read_or_refuse(value):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd EXIF blocks
        try:
            shown = decode_images([value], 16)
        except TableError:
            return
    assert shown.shape == (1, 3, 16, 16)
    assert ((shown >= 0) & (shown <= 1)).all()


@given(st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(start, rest):
    _read_or_refuse(start + rest)


@given(st.sampled_from([PHOTO, JPEG]), st.data())
def test_a_damaged_picture_is_read_or_refused(picture, data):
    damaged = bytearray(picture)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(picture) - 1))] = data.draw(st.integers(0, 255))
    _read_or_refuse(bytes(damaged[: data.draw(st.integers(1, len(picture)))]))
