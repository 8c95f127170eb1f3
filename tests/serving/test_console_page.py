"""The console at ``/`` in a real browser: what it shows, refuses to run, and how it fits a phone and a keyboard."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Tab, site, tab
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from serving import contract, page

STAMP = {"prediction_id": "0" * 32, "checkpoint": "sha256:" + "a1b2c3d4" * 8}
HOSTILE = "<img src=x onerror='window.hacked = 1'>bread"
FOLDER = Path(page.__file__).parent
PRODUCT = {"item_id": 5, "category": "bread", "department": "pastry", "bought": True}
ANSWERS = {
    "/recommend": contract.RecommendResponse(
        **STAMP, household_id=900, items=[{"label": "FRUIT", "score": 0.64}, {"label": "TEA", "score": 0.02}],
        products=[{**PRODUCT, "text": HOSTILE, "score": 0.08}, {**PRODUCT, "text": "tea " * 30, "score": 0.01}],
    ),
    "/household": contract.HouseholdResponse(
        **STAMP, household_id=900, churn=0.031, next_action=0.47, repurchase_7d=None
    ),
    "/search": contract.SearchResponse(**STAMP, products=[{**PRODUCT, "text": "white bread", "score": 0.9}]),
    "/understand": contract.UnderstandResponse(**STAMP, tasks={
        "sentiment": {"label": "negative", "score": 0.8, "scores": {"negative": 0.8, "positive": 0.2}},
        "valence": {"score": -2.25},
        "emotion": {"labels": ["anger"], "label": "anger", "score": 0.7, "scores": {"anger": 0.7, "joy": 0.1}},
        "answer": {"items": [{"item_id": "refunds", "score": 0.5}]},
    }),
    "/picture": contract.PictureResponse(**STAMP, tasks={
        "image_category": {"label": "sneaker", "score": 0.9, "scores": {"sneaker": 0.9, "bag": 0.1}}
    }),
}  # fmt: skip
"""What the service would say, by its own contract."""
NARROW, WIDE = 390, 1200
SHOWN = "document.getElementById('{0}-answer').getAttribute('aria-busy') === 'false'"


def _png() -> bytes:
    file = BytesIO()
    Image.new("RGB", (28, 28), "red").save(file, "PNG")
    return file.getvalue()


class Shop:
    """Answers by `ANSWERS`, or with ``refusal``; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, str]] = []
        self.refusal: Response | None = None

    def __call__(self, body: bytes, request: Request) -> Response:
        path, media_type = request.url.path, request.headers["content-type"]
        self.asked.append((path, body if media_type.startswith("image/") else json.loads(body), media_type))
        return self.refusal or JSONResponse(ANSWERS[path].model_dump())


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop()


@pytest.fixture(scope="module")
def opened(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tab, str]]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with site(dict.fromkeys(ANSWERS, shop)) as url, tab(tmp_path_factory.mktemp("browser")) as found:
        found.open(url)
        yield found, url


@pytest.fixture
def console(opened: tuple[Tab, str], shop: Shop) -> Tab:
    shop.asked.clear()
    shop.refusal = None
    opened[0].open(opened[1])
    return opened[0]


def _submit(console: Tab, name: str, value: str = "7") -> str:
    """Fill a form, send it and return what is shown."""
    console.run(f"document.getElementById({name!r}).value = {value!r}; "
                f"document.getElementById('{name}-form').requestSubmit()")  # fmt: skip
    console.wait(SHOWN.format(name))
    return console.run(f"document.getElementById('{name}-answer').innerText")


def test_a_household_sees_products_categories_and_what_it_will_do(console: Tab, shop: Shop) -> None:
    shown = _submit(console, "household", "900")
    assert {path for path, *_ in shop.asked} == {"/recommend", "/household"}
    asked = next(body for path, body, _ in shop.asked if path == "/recommend")
    assert contract.RecommendRequest.model_validate(asked).household_id == 900
    for expected in ("8.00 %", "FRUIT", "64.0 %", "bought before", "47.0 % back within", "3.10 % no visit", "a1b2c3d4"):
        assert expected in shown
    assert re.search(r"\d+ ms", shown)
    console.run("document.querySelector('[data-step=\"1\"]').click()")
    console.wait(SHOWN.format("household"))
    assert shop.asked[-1][1]["household_id"] == 901


def test_texts_of_the_catalogue_are_never_read_as_html(console: Tab) -> None:
    assert HOSTILE in _submit(console, "household")
    assert console.run("document.querySelectorAll('#household-answer img').length") == 0
    assert console.run("window.hacked") is None


def test_nothing_but_the_pages_own_script_runs(console: Tab) -> None:
    inline = "const s = document.createElement('script'); s.textContent = 'window.hacked = 2'; document.body.append(s)"
    console.run(inline)
    assert console.run("window.hacked") is None
    assert console.run("getComputedStyle(document.querySelector('main')).display") == "grid", "our style was refused"
    elsewhere = console.run("location.href").replace("127.0.0.1", "localhost")
    assert console.run(f"fetch({elsewhere!r}, {{mode: 'no-cors'}}).then(() => 'left', () => 'kept')") == "kept"


def test_a_search_needs_only_the_keyboard(console: Tab, shop: Shop) -> None:
    console.press("/", 191)
    assert console.run("document.activeElement.id") == "query"
    assert console.run("document.activeElement.value") == ""
    console.call("Input.insertText", text="bread")
    console.press("Enter", 13)
    console.wait(SHOWN.format("query"))
    assert shop.asked[0][:2] == ("/search", {"query": "bread", "top": 8})
    assert "white bread" in console.run("document.getElementById('query-answer').innerText")


def test_a_text_is_understood_by_every_head(console: Tab, shop: Shop) -> None:
    console.run("document.getElementById('text').focus()")
    console.call("Input.insertText", text="where is it")
    console.press("Enter", 13, control=True)
    console.wait(SHOWN.format("text"))
    shown = console.run("document.getElementById('text-answer').innerText")
    for expected in ("sentiment: negative", "80.0 %", "valence: -2.25", "emotion: anger", "refunds"):
        assert expected in shown
    assert shop.asked[0][1]["text"] == "where is it"


def test_a_dropped_picture_is_sent_as_it_is_and_shown(console: Tab, shop: Shop) -> None:
    console.run(f"""
        const bytes = Uint8Array.from(atob('{b64encode(_png()).decode()}'), (c) => c.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], 'shoe.png', {{type: 'image/png'}}));
        document.querySelector('.drop').dispatchEvent(new DragEvent('drop', {{dataTransfer, bubbles: true}}))""")
    console.wait(SHOWN.format("picture"))
    assert shop.asked == [("/picture", _png(), "image/png")]
    assert "image category: sneaker" in console.run("document.getElementById('picture-answer').innerText")
    console.wait("document.querySelector('#picture-answer img').naturalWidth === 28")


@pytest.mark.parametrize(("status", "body", "headers", "shown"), [
    (404, {"error": "the feature store knows no household_id 7", "remedy": "use ids that occur"}, {},
     "The feature store knows no household_id 7. Use ids that occur."),
    (400, {"error": "x", "detail": [{"loc": ["household_id"], "msg": "Input should be less"}]}, {},
     "household_id: Input should be less."),
    (401, {"error": "no key was sent"}, {}, "asks for a key"),
    (429, {"error": "the key allows 5 requests a minute"}, {"Retry-After": "12"}, "Try again in 12 s"),
    (503, {"error": "too much waits"}, {"Retry-After": "2"}, "Try again in 2 s"),
    (500, None, {}, "The service failed (500)"),
])  # fmt: skip
def test_a_refusal_is_told_in_plain_words(
    console: Tab, shop: Shop, status: int, body: Any, headers: dict[str, str], shown: str
) -> None:
    shop.refusal = JSONResponse(body, status, headers) if body else Response("oops", status)
    assert shown in _submit(console, "household")


def test_a_file_that_is_no_picture_is_refused_before_it_is_sent(console: Tab, shop: Shop) -> None:
    console.run("show(document.getElementById('picture-answer'), () => see(new File(['x'], 'x.pdf')))")
    assert "no picture that your browser can read" in console.run("document.body.innerText")
    assert shop.asked == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_the_page_fits_a_phone_and_a_desk(opened: tuple[Tab, str], width: int, scheme: str) -> None:
    console, url = opened
    console.open(url, width, scheme)
    for name in ("household", "query", "text"):
        _submit(console, name)
    assert console.run("innerWidth") == width
    assert console.run("document.documentElement.scrollWidth") <= width
    touched = "button, .drop, textarea, input:not([type=checkbox], [type=range], [type=file])"
    small = f"[...document.querySelectorAll({touched!r})].filter((e) => e.checkVisibility() && e.offsetHeight < 44)"
    assert console.run(f"{small}.map((e) => e.outerHTML)") == []


def test_every_field_has_a_name_for_a_screen_reader() -> None:
    html = (FOLDER / "console.html").read_text()
    fields = re.findall(r'<(?:input|textarea) id="(\w+)"', html)
    wrapped = re.findall(r'<label>[^<]*<input id="(\w+)"', html)
    assert len(fields) > 5
    assert {field for field in fields if f'for="{field}"' not in html} == set(wrapped)
    assert html.count('aria-live="polite"') == html.count("<form ") == 4


def test_both_pages_load_nothing_from_elsewhere_and_say_so() -> None:
    with TestClient(page.page_app()) as client:
        for path in ("/", "/docs"):
            found = client.get(path)
            assert found.status_code == 200
            assert not re.search(r"https?://|(src|href)=\"//|@import|url\(", found.text)
            policy = found.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; ")
            assert "script-src 'unsafe-inline'" not in policy
            assert found.headers["x-content-type-options"] == "nosniff"
            assert client.post(path).status_code == 405


def test_a_bento_carries_every_file_of_the_page() -> None:
    from serving.packaging import SOURCE_SUFFIXES  # loads torch, which the browser's tests can do without

    assert {path.suffix for path in FOLDER.iterdir() if path.is_file()} <= set(SOURCE_SUFFIXES)
