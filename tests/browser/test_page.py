"""The agent's page as people who mount a camera use it: on a phone and at a desk, opened in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.edge_agent.boxes import TestBox
from tests.edge_agent.page.site import CAMERA, CLIP, PASSWORD, endless, mounted
from tests.edge_agent.test_recorder import running

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 375, "height": 812}
WAIT_MS = 60_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    camera = CAMERA | {"source": str(folder / "c.mp4"), "lines": {"door": [0, 90, 240, 90], "side": [30, 0, 30, 180]}}
    with (
        endless(CLIP, folder / "c.mp4"),
        running(folder, TestBox()) as (desk, _),
        mounted(folder, desk, camera) as crew,
    ):
        assert crew.page is not None
        yield f"http://127.0.0.1:{crew.page.server_port}"


def visit(browser: Browser, address: str, size: dict[str, int], locale: str) -> tuple[Page, list[str]]:
    """The page with its picture and drawing, and everything that it complained about."""
    login = {"username": "anybody", "password": PASSWORD}
    context = browser.new_context(viewport=size, http_credentials=login, locale=locale)
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda said: complaints.append(said.text) if "409" not in said.text else None)  # no picture yet
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    page.wait_for_selector("#picture[src]")
    page.wait_for_selector("#drawing .line", state="attached")
    return page, complaints


@pytest.mark.parametrize(
    ("size", "locale", "sentence"),
    [(DESKTOP, "en-GB", "door-cam is up."), (PHONE, "zh-CN", "door-cam 正常。")],
    ids=["desk", "phone"],
)
def test_what_the_camera_sees_with_what_is_configured(
    browser: Browser, address: str, size: dict[str, int], locale: str, sentence: str
) -> None:
    """Lines and zones over the picture, no word missing, nothing beyond the edge, coordinates where it is tapped."""
    page, complaints = visit(browser, address, size, locale)
    expect(page.locator("h1")).to_have_text(sentence)
    assert page.locator("#drawing text").all_text_contents() == ["mat", "door", "side"]
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    frame = page.locator("#drawing").bounding_box()
    assert frame is not None
    for x, y in ((0.25, 0.5), (0.75, 0.5)):
        page.mouse.click(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"])
    expect(page.locator("#corners")).to_have_text(re.compile(r"\S+ ?(\d+,){3}\d+"), timeout=WAIT_MS)
    corners = re.findall(r"\d+", page.locator("#corners").text_content() or "")
    assert [int(corner) for corner in corners] == pytest.approx([60, 90, 180, 90], abs=1.5)
    assert all(text for text in page.locator("[data-word]").all_text_contents())
    assert complaints == []
    page.context.close()


def test_counting_by_keyboard_and_by_thumb(browser: Browser, address: str) -> None:
    """Keys and buttons tap at the chosen line; what is stored is shown below."""
    page, complaints = visit(browser, address, PHONE, "en-GB")
    page.focus("#start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#in", state="visible")
    page.keyboard.press("i")
    page.keyboard.press("i")
    page.click("#out")
    page.get_by_label("side").check()
    page.click("#in")
    mine = page.locator("#now tr td:nth-child(2)")
    expect(mine).to_have_text(["2", "1", "1", "0"], timeout=WAIT_MS)
    page.click("#undo")
    expect(mine).to_have_text(["2", "1", "0", "0"], timeout=WAIT_MS)
    for target in ("#in", "#out", "#end", "#undo", "#drop"):
        size = page.locator(target).bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) >= 44
    page.click("#end")
    expect(page.locator("#past tr td:nth-child(2)")).to_have_text(["2", "1", "0", "0"], timeout=WAIT_MS)
    expect(page.locator("#running")).to_be_hidden(timeout=WAIT_MS)
    assert complaints == []
    page.context.close()
