"""Signals of texts, pictures and vectors: an injected change is found, its absence is not."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from monitoring.schema import Signal
from monitoring.signals.image import measure, watch_images
from monitoring.signals.language import language_of
from monitoring.signals.rows import Rows
from monitoring.signals.text import watch_text
from monitoring.signals.vectors import auc_bound, classifier_auc, distance_bound, mean_distance, watch_vectors
from polymart.config import Inputs, Task

TASK = Task(name="seen", kind="multiclass", source="seen", inputs=Inputs(text="text", image="image"), metric="accuracy",
            floor="majority", cluster="example_id")  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The screen is bright and it was easy to set up.", "en"),
        ("Der Bildschirm ist hell und das Einrichten war nicht schwer.", "de"),
        ("L'écran est très lumineux mais la batterie ne tient pas dans le temps.", "fr"),
        ("La pantalla es muy buena pero la batería no dura para nada.", "es"),
        ("Lo schermo è molto bello ma la batteria non dura più di un giorno.", "it"),
        ("A tela é muito boa mas a bateria não dura para nada, eu devolvi isso.", "pt"),
        ("Het scherm is heel mooi maar de batterij gaat niet lang mee.", "nl"),
        ("Экран очень яркий, батарея держится долго", "cyrillic"),
        ("画面がとても明るい", "hiragana"),
        ("red cotton shirt", "unknown"),
        ("", "unknown"),
        ("12345 !!!", "unknown"),
    ],
)
def test_the_rule_tells_languages_of_sentences(text, language):
    assert language_of(text) == language


def test_a_long_text_costs_no_more_than_its_beginning():
    assert language_of("the " * 1_000_000 + "der die das") == "en"


def rows(make, windows=3, size=200, seed=0):
    """A reference of four windows and ``windows`` more; ``make(random, part)`` gives the inputs of a row."""
    random = np.random.default_rng(seed)

    def part(number):
        ids = [f"{number}-{row}" for row in range(size)]
        inputs = pd.DataFrame([make(random, number) for _ in range(size)], columns=["text", "image"])
        return inputs.assign(example_id=ids, cluster=ids, past=number, split="val" if number == 3 else "train")

    reference = pd.concat([part(number) for number in range(4)], ignore_index=True)
    return Rows(reference, tuple(part(4 + number) for number in range(windows)))


def found(signals) -> list[dict[str, Signal]]:
    windows: list[dict[str, Signal]] = [{}, {}, {}]
    for number, signal in signals:
        windows[number][signal.name] = signal
    return windows


def sentence(random, number):
    words = ["the", "shoe", "is", "good", "and", "it", "was", "red", "small", "soft"]
    if number == 6:
        words = ["der", "Schuh", "ist", "gut", "und", "war", "nicht", "teuer"]
    return " ".join(random.choice(words, 8)), b""


def test_a_change_of_language_is_found_and_named():
    windows = found(watch_text(TASK, rows(sentence)))
    assert [[name for name, signal in window.items() if signal.moved] for window in windows[:2]] == [[], []]
    assert windows[2]["language"].moved
    assert windows[2]["unseen words"].moved
    assert windows[2]["language"].note == "de: 100%, was 0%"


class BagOfWords:
    """Vectors of texts as sums of fixed random directions, one a word."""

    def __init__(self):
        self.encoded = 0

    def knows(self, task):
        return task == TASK.name

    def texts(self, task, texts):
        self.encoded += len(texts)
        return np.stack([sum(self._direction(word) for word in text.split()) for text in texts])

    def images(self, pictures):
        return np.stack([np.frombuffer(picture, np.uint8)[:8].astype(float) for picture in pictures])

    def _direction(self, word):
        return np.random.default_rng(sum(map(ord, word))).normal(size=16)


def test_vectors_that_moved_are_found_and_each_text_is_encoded_once():
    vectors, shop = BagOfWords(), rows(sentence)
    windows = found(watch_vectors(TASK, shop.map(lambda part: part.drop(columns="image")), vectors, seed=1))
    assert all(windows[2][name].moved for name in ("mean vector", "domain classifier"))
    assert not any(signal.moved for window in windows[:2] for signal in window.values())
    distinct = pd.concat([shop.reference, *shop.windows])["text"].nunique()
    assert 0 < vectors.encoded <= distinct
    other = TASK.model_copy(update={"name": "other"})
    assert list(watch_vectors(other, shop, vectors, seed=1)) == []


def test_vectors_that_did_not_move_are_let_pass():
    """200 pairs of samples at one false alarm in a thousand for either test: two are rare."""
    random = np.random.default_rng(3)
    alarms = {"distance": 0, "classifier": 0}
    for number in range(200):
        sides = [random.normal(size=(80, 12)) * np.linspace(1, 3, 12) for _ in range(2)]
        keys = [np.arange(80), np.arange(80, 160)]
        alarms["distance"] += mean_distance(*sides) >= distance_bound(*sides, seed=number)
        if number < 60:
            alarms["classifier"] += classifier_auc(keys[0], sides[0], keys[1], sides[1]) - 0.5 >= auc_bound(80, 80)
    assert alarms["distance"] <= 2
    assert alarms["classifier"] <= 1


def test_the_same_text_on_both_sides_is_no_evidence():
    """Were a text in the folds of both fitting and judging, repeats alone would tell the sides apart."""
    random = np.random.default_rng(3)
    texts = random.normal(size=(10, 40))
    before, now = random.integers(0, 10, 200), random.integers(0, 10, 200)
    assert classifier_auc(before, texts[before], now, texts[now]) < 0.5 + auc_bound(200, 200)


def photo(random, number):
    pixels = random.integers(60, 200, (16, 16, 3)).astype(np.uint8)
    image = Image.fromarray(pixels).resize((64, 64))
    if number == 5:
        image = ImageEnhance.Brightness(image).enhance(0.5)
    if number == 6:
        image = image.filter(ImageFilter.GaussianBlur(3))
    out = BytesIO()
    image.save(out, "PNG")
    return "", out.getvalue()


def test_dark_and_blurred_pictures_are_found():
    windows = found(watch_images(TASK, rows(photo, size=60)))
    assert not any(signal.moved for signal in windows[0].values())
    assert windows[1]["brightness"].moved
    assert windows[1]["brightness"].now < windows[1]["brightness"].usual
    assert windows[2]["sharpness"].moved
    assert not windows[2]["brightness"].moved


def test_pictures_that_cannot_be_read_are_counted():
    shop = rows(photo, size=60)
    torn = shop.windows[0].assign(
        image=[cell[: 40 if row % 4 == 0 else None] for row, cell in enumerate(shop.windows[0]["image"])]
    )
    window = found(watch_images(TASK, Rows(shop.reference, (torn,))))[0]
    assert window["unreadable pictures"].moved
    assert window["unreadable pictures"].now == 0.25
    assert np.isnan(measure(b"no picture")).all()
