"""The console as people use it: served by `edge-hq serve`, opened in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from cloud_sync.wire.heartbeat import DeviceState
from hq.data import Data
from hq.headquarters import Wishes, database, init
from hq.warehouse import migrate
from simulation.traffic import records as traffic
from tests.browser.headquarters import serving
from tests.hq.chain import Chain

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
DEVICES = (
    DeviceState("till-01", "poslog", "up", age_s=21, today=1204),
    DeviceState("scan-1", "scanner-serial", "silent", age_s=1440, today=66),
    DeviceState("gate-1", "ir-thermometer", "down", age_s=4000, reason="no answer", today=12),
)


@dataclass
class Site:
    """A running console and the chain it shows."""

    url: str
    chain: Chain


@dataclass
class Visit:
    """A page with everything it complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = Data(tmp_path_factory.mktemp("console") / "hq")
    init(data, Wishes())
    with database(data).running() as dsn:
        migrate(dsn)
        chain = Chain(dsn)
        _fill(chain)
        with serving(data.root) as (url, _):
            yield Site(url, chain)
        chain.close()


def _fill(chain: Chain) -> None:
    now = datetime.now(UTC)
    source = traffic(Random(3), now - timedelta(minutes=4), timedelta(milliseconds=600))
    for store, name in (("0001", "Riverside"), ("0002", "滨江店"), ("0003", ""), ("0004", "")):
        chain.add_store(store, name=name)
    for store in ("0001", "0002", "0003"):
        chain.store_records(store, now, *(next(source) for _ in range(100)))
    chain.beat("0001", now, devices=DEVICES)
    chain.beat("0002", now - timedelta(minutes=4), waiting=40, oldest_s=70, devices=DEVICES)
    chain.beat("0003", now - timedelta(minutes=41), waiting=1312, oldest_s=400)


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A fresh visitor; `indirect` parameters go to the browser's context. Complaints fail the test."""
    context = browser.new_context(**{"locale": "en-GB", "viewport": DESKTOP, **getattr(request, "param", {})})
    visit = Visit(context.new_page())
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on("console", lambda said: said.type == "error" and visit.complaints.append(said.text))
    yield visit
    context.close()
    assert visit.complaints == []


@pytest.mark.parametrize("path", ["/", "/store/0002", "/?state=lost"])
@pytest.mark.parametrize(
    "visit",
    [
        {"locale": locale, "color_scheme": scheme, **screen}
        for locale in ("en-GB", "zh-CN")
        for scheme in ("light", "dark")
        for screen in ({"viewport": DESKTOP}, {"viewport": PHONE, "has_touch": True, "is_mobile": True})
    ],
    indirect=True,
    ids=lambda options: f"{options['locale']}-{options['color_scheme']}-{options['viewport']['width']}",
)
def test_pages_fit_every_screen(site: Site, visit: Visit, path: str, tmp_path: Path) -> None:
    """In both languages and schemes, on desktop and phone: no error, no scroll sideways, the sentence on top."""
    page = visit.page
    page.goto(site.url + path)
    page.wait_for_load_state("networkidle")

    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("window.innerWidth")
    assert page.evaluate("typeof htmx") == "object"
    locale = page.evaluate("navigator.language")
    assert page.locator("html").get_attribute("lang") == {"en-GB": "en", "zh-CN": "zh-CN"}[locale]
    expect(page.locator("h1")).to_contain_text({"en-GB": "late", "zh-CN": "延迟"}[locale])
    image = tmp_path / "page.png"
    page.screenshot(path=image, full_page=True)
    assert image.stat().st_size > 10_000


@pytest.mark.parametrize("visit", [{"viewport": PHONE, "has_touch": True, "is_mobile": True}], indirect=True)
def test_targets_are_large_enough_for_fingers(site: Site, visit: Visit) -> None:
    """On touch every link and switch is at least 44 px high."""
    visit.page.goto(site.url)
    heights = visit.page.eval_on_selector_all(
        "main a, main summary, .top a", "all => all.map(one => [one.textContent, one.getBoundingClientRect().height])"
    )
    assert len(heights) >= 10
    assert [one for one in heights if one[1] < 44] == []


def test_parts_refresh_by_themselves(site: Site, visit: Visit) -> None:
    """A store that comes online is shown without a reload, and what the keyboard was on stays focused."""
    page = visit.page
    page.goto(site.url)
    page.evaluate("window.loaded = 'once'")
    row = page.locator("tr", has=page.locator("#store-0004"))
    expect(row).to_contain_text("never seen")
    page.locator("#store-0004").focus()

    site.chain.beat("0004", datetime.now(UTC))

    expect(row).to_contain_text("online", timeout=30_000)
    assert page.evaluate("window.loaded") == "once"
    assert page.evaluate("document.activeElement.id") == "store-0004"


def test_a_selection_is_not_swapped_away(site: Site, visit: Visit) -> None:
    """Who marks a text to copy it keeps the mark while the page refreshes."""
    page = visit.page
    page.goto(site.url)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true", timeout=30_000):
        pass
    page.wait_for_load_state("networkidle")

    assert page.evaluate("getSelection().toString()").startswith(page.locator("h1").inner_text()[:10])


def test_silence_of_headquarters_is_told(site: Site, visit: Visit) -> None:
    """When headquarters does not answer the page says so, and stops saying so once it does."""
    page = visit.page
    page.goto(site.url)
    banner = page.locator("#silence")
    expect(banner).to_be_hidden()

    page.context.set_offline(True)
    expect(banner).to_be_visible(timeout=30_000)
    expect(banner).to_contain_text("Headquarters has not answered since")
    page.context.set_offline(False)

    expect(banner).to_be_hidden(timeout=30_000)
    visit.complaints.clear()  # the browser itself reports the requests that failed


def test_the_language_can_be_switched(site: Site, visit: Visit) -> None:
    """The switch turns the page, keeps what was picked, and the next page remembers."""
    page = visit.page
    page.goto(f"{site.url}/?state=late")
    page.get_by_role("link", name="中文").click()
    expect(page.locator("h1")).to_contain_text("在线")
    assert page.url.endswith("/?state=late&lang=zh")

    page.get_by_role("link", name="0002").click()

    expect(page.locator("h1")).to_contain_text("0002 延迟")


def test_the_keyboard_reaches_everything_in_order(site: Site, visit: Visit) -> None:
    """Tab goes from the skip link through the frame, the filter and the stores to the explanations, always in sight."""
    page = visit.page
    page.goto(site.url)
    reached: list[str] = []
    while reached[-1:] != ["definitions"] and len(reached) < 30:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        if page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "none":
            visit.complaints.append(f"no outline on {reached[-1]}")
    stores = [name for name in reached if name.startswith("store-0")]

    assert reached[:4] == ["Skip to content", "store-edge", "English", "中文"]
    assert reached[4] == "show-all"
    assert stores[:2] == ["store-0003", "store-0002"]
    assert len(stores) == 4
    assert reached[-2:] == [stores[-1], "definitions"]


@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True)
def test_pages_work_without_javascript(site: Site, visit: Visit) -> None:
    """Links, filters and languages need no script."""
    page = visit.page
    page.goto(site.url)
    page.locator("#show-lost").click()
    page.locator("#store-0003").click()

    expect(page.locator("h1")).to_contain_text("0003 is lost since")


def test_the_policy_is_enforced(site: Site, visit: Visit) -> None:
    """A script that somebody slipped into a page does not run."""
    page = visit.page
    page.goto(site.url)
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.slipped = 1";
            document.body.append(script);
        }"""
    )

    assert page.evaluate("window.slipped") is None
    expect(page.locator("h1")).to_be_visible()
    assert any("Content Security Policy" in complaint for complaint in visit.complaints)
    visit.complaints.clear()


def test_an_empty_headquarters_says_what_to_do(site: Site, visit: Visit) -> None:
    """With no store at all the page shows the command to begin with, and appears complete once one is there."""
    with psycopg.connect(site.chain.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE store RENAME TO store_full")
        connection.execute("CREATE TABLE store AS SELECT * FROM store_full WHERE false")
        try:
            visit.page.goto(site.url)
            expect(visit.page.locator("h1")).to_have_text("No stores yet.")
            expect(visit.page.locator("pre")).to_contain_text("edge-hq store add 0001")
        finally:
            connection.execute("DROP TABLE store")
            connection.execute("ALTER TABLE store_full RENAME TO store")
    expect(visit.page.locator("h1")).to_contain_text("stores online", timeout=30_000)
