"""The form of the run page: small, alone, readable on a phone, in the dark and by a screen reader."""

from __future__ import annotations

import html as escaping
import json
import math
import re
import shutil
import subprocess
from base64 import b64decode
from dataclasses import asdict
from pathlib import Path

import pytest
from fixtures.evaluations import made_evaluation, made_verdict
from fixtures.run_pages import Parsed, page
from hypothesis import given
from hypothesis import strategies as st

from polymart.config import load_suite
from polymart.evaluation.page import charts
from polymart.training.log import CURVES, TrainingLog
from polymart.training.plots import plot_training

SHOP = load_suite(Path(__file__).parents[2] / "suites" / "shop.yaml")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MEASURE = """onload = () => document.title = JSON.stringify([...document.querySelectorAll('iframe')].map(
  frame => [frame.contentWindow.innerWidth, frame.contentDocument.documentElement.scrollWidth]))"""


@given(low=st.floats(-1e9, 1e9), high=st.floats(-1e9, 1e9), value=st.floats(allow_nan=True, allow_infinity=True))
def test_marks_stay_inside_their_charts(low: float, high: float, value: float) -> None:
    place = charts.axis_over([low, high]).place(value)
    assert place is None if math.isnan(value) else 0 <= place <= charts.WIDTH


def test_points_and_circles_stay_inside_their_frames() -> None:
    html = page()
    points = [
        tuple(map(float, point.split(","))) for line in re.findall(r'points="([^"]*)"', html) for point in line.split()
    ]
    assert len(points) > 40
    assert all(0 <= x <= charts.CURVE_WIDTH and 0 <= y <= charts.CURVE_HEIGHT for x, y in points)
    radii = [float(r) for r in re.findall(r'<circle cx="[\d.]+" cy="[\d.]+" r="([\d.]+)" fill="var\(--model\)"', html)]
    assert radii
    assert all(2 <= radius <= 5 for radius in radii)


def test_the_whole_shop_stays_small_and_needs_nothing_else(tmp_path: Path) -> None:
    log, names = TrainingLog(best_step=2), [task.name for task in SHOP.tasks]
    for step in range(1, 1501):
        log.loss.append({"step": step, **{name: 1 / step + i / 9 for i, name in enumerate(names)}})
    for step in range(50, 1501, 50):
        log.validation.append({"step": step, "mean": 0.5, **{name: i / 9 + 1 / step for i, name in enumerate(names)}})
        for curve in CURVES:
            log.add(curve, step, {"churn/fraud": 0.1} if curve == "conflict" else dict.fromkeys(names, step / 600))
    plot_training(log, tmp_path / "plot.png")
    content = (tmp_path / "plot.png").read_bytes()
    html = page(SHOP, log=asdict(log), plot=content, champion_suite=SHOP)
    assert len(names) == 17
    assert len(html.encode()) < 2_000_000
    assert not re.search(r"https?://|\b(src|href)=\"//|@import|url\(", html)
    found = Parsed(html)
    assert [b64decode(str(image["src"]).removeprefix("data:image/png;base64,")) for image in found.all("img")] == [
        content
    ]
    assert not found.all("link")


def test_tables_have_headers_and_pictures_have_words() -> None:
    found = Parsed(page(SHOP, steps={"train": ("done", 1.0)}, facts={"data": "x"}))
    assert all(attributes.get("scope") in ("col", "row") for attributes in found.all("th"))
    assert all(attributes.get("aria-label") or attributes.get("aria-hidden") for attributes in found.all("svg"))
    regions = [attributes for attributes in found.all("div") if attributes.get("role") == "region"]
    assert regions
    assert all(attributes["aria-label"] and attributes["tabindex"] == "0" for attributes in regions)
    assert found.all("html") == [{"lang": "en"}]
    assert len(found.all("h1")) == len(found.all("main")) == 1


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_and_charts_can_be_seen(scheme: int) -> None:
    colours = dict(
        re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", page(), re.DOTALL)[scheme])
    )
    grounds = [colours[name] for name in ("paper", "soft", "good-soft", "bad-soft", "unsure-soft")]
    for text in ("ink", "dim", "good", "bad", "unsure"):
        assert min(contrast(colours[text], ground) for ground in grounds) >= 4.5, text
    for mark in ("model", "rival"):
        assert min(contrast(colours[mark], colours[name]) for name in ("paper", "soft")) >= 3, mark


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_nothing_but_tables_is_wider_than_a_phone(tmp_path: Path) -> None:
    evaluation = made_evaluation(SHOP)
    cause = "demand: " + " ".join(["wape 0.581 [0.561, 0.601] is worse than shop-0123456789ab"] * 4)
    html = page(SHOP, evaluation, made_verdict(evaluation, {("champion", "demand"): ("fail", cause)}),
                facts={"data_version": "sha256:" + "a" * 64}, champion_suite=SHOP)  # fmt: skip
    frames = [f'<iframe width="{width}" srcdoc="{escaping.escape(html)}"></iframe>' for width in (390, 1200)]
    holder = tmp_path / "frames.html"
    holder.write_text(f"<!doctype html><body>{''.join(frames)}<script>{MEASURE}</script>")
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}")
    command = [str(CHROMIUM), *quiet, "--dump-dom", holder.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    measured = json.loads(re.findall(r"<title>(.*?)</title>", done.stdout)[0])
    assert [width for width, _ in measured] == [390, 1200]
    assert all(found <= width for width, found in measured)
