"""The console's answers: pages in both languages, their headers, and what happens when something is missing."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
import requests
import uvicorn

from cloud_sync.wire.heartbeat import DeviceState, LinkState
from hq.console.app import make_app
from records.types import DoorCount, PosSale, Quarantine, Tender
from tests.hq.chain import Chain, record

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # 11:00 in Shanghai
PAN = "622848******1234"


@pytest.fixture
def chain(migrated: str) -> Iterator[Chain]:
    chain = Chain(migrated)
    yield chain
    chain.close()


class Visitor(requests.Session):
    """Somebody who visits the console at `address`, keeping cookies."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def see(self, path: str, headers: Mapping[str, str] | None = None) -> requests.Response:
        return self.get(self.address + path, headers=headers, timeout=30)


@contextmanager
def visiting(dsn: str) -> Iterator[Visitor]:
    """The console over `dsn` at `NOW`, served by uvicorn."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(dsn, ["127.0.0.1"], lambda: NOW), log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    with Visitor(f"http://127.0.0.1:{listener.getsockname()[1]}") as visitor:
        yield visitor
    server.should_exit = True
    thread.join()


@pytest.fixture
def console(chain: Chain) -> Iterator[Visitor]:
    with visiting(chain.dsn) as visitor:
        yield visitor


def sale(number: int, total: str) -> PosSale:
    tender = Tender(kind="card", amount=Decimal(total), masked_pan=PAN)
    return PosSale(source_id=str(number), transaction_id="1", currency="CNY", total=Decimal(total), tenders=(tender,))


def text(page: str) -> str:
    """What a person reads of a page, in one line."""
    body = re.sub(r"<head>.*?</head>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_without_stores_the_board_says_what_to_do(console: Visitor) -> None:
    """An empty fleet shows the command that adds a store."""
    page = text(console.see("/").text)

    assert "No stores yet." in page
    assert "edge-hq store add 0001" in page


def test_the_board_opens_with_a_sentence(chain: Chain, console: Visitor) -> None:
    """States of all stores stand in one sentence, worst stores first in the table."""
    for store in ("0001", "0002", "0003", "0004"):
        chain.add_store(store)
    chain.beat("0001", NOW - timedelta(seconds=12))
    chain.beat("0002", NOW - timedelta(minutes=3))
    chain.beat("0003", NOW - timedelta(minutes=41))

    page = console.see("/").text

    assert "1 of 4 stores online; 1 late; 1 lost since 10:19; 1 never seen." in text(page)
    assert re.findall(r'href="/store/(\d+)"', page) == ["0003", "0002", "0004", "0001"]


def test_one_store_reads_as_people_say_it(chain: Chain, console: Visitor) -> None:
    """1 of 1 stores online, and in Chinese."""
    chain.add_store("0001")
    chain.beat("0001", NOW)

    assert "1 of 1 stores online." in text(console.see("/").text)
    assert "1 家门店中 1 家在线。" in text(console.see("/?lang=zh").text)


def test_numbers_are_exact_and_unknown_is_a_dash(chain: Chain, console: Visitor) -> None:
    """A store's money, tickets, people and quarantine stand in its row; a store that was never heard has dashes."""
    chain.add_store("0001")
    chain.add_store("0002")
    door = DoorCount(in_=1204, out=3)
    odd = Quarantine(device="scan-1", reason="check digit is wrong")
    chain.store_records(
        "0001",
        NOW,
        *(record("till-1", NOW, sale(number, "1234.56")) for number in range(2)),
        record("door-1", NOW, door),
        record("scan-1", NOW, odd),
    )
    chain.beat("0001", NOW, waiting=2, oldest_s=65)

    page = text(console.see("/").text)

    assert "0002 never seen – – – – –" in page
    assert "0001 online 0 s CN¥2,469.12 2 1,204 6 oldest unsent 1 min 1" in page


def test_the_numbers_of_a_lost_store_say_until_when(chain: Chain, console: Visitor) -> None:
    """Sales of a store that fell silent are not passed off as today's whole."""
    chain.add_store("0001")
    chain.store_records("0001", NOW, record("till-1", NOW, sale(1, "5")))
    chain.beat("0001", NOW - timedelta(minutes=41))

    assert "CN¥5.00 until 10:19" in text(console.see("/").text)


def test_a_state_can_be_picked_and_stays_in_the_address(chain: Chain, console: Visitor) -> None:
    """The board of one state shows its stores alone and refreshes at its own address; nonsense shows all."""
    chain.add_store("0001")
    chain.add_store("0002")
    chain.beat("0001", NOW)

    picked = console.see("/?state=online&lang=en").text

    assert re.findall(r'href="/store/(\d+)"', picked) == ["0001"]
    assert 'hx-get="/?state=online&amp;lang=en"' in picked
    assert "No store in this state." in text(console.see("/?state=lost").text)
    assert len(re.findall(r'href="/store/\d+"', console.see("/?state=nonsense").text)) == 2


def test_last_records_are_plain_words_without_card_numbers(chain: Chain, console: Visitor) -> None:
    """A sale is shown by total, lines and tender, never by the number of the card, masked or not."""
    chain.add_store("0001")
    chain.store_records("0001", NOW, record("till-1", NOW, sale(1, "12.50")))

    page = console.see("/").text

    assert "11:00:00 0001 sale CN¥12.50, card till-1" in text(page)
    assert "622848" not in page
    assert "1234" not in page


def test_a_store_page_tells_lanes_devices_and_records(chain: Chain, console: Visitor) -> None:
    """One store's sentence, its lanes, its devices with state and age, and its last records."""
    chain.add_store("0001", name="滨江店")
    devices = [
        DeviceState("door-1", "hikvision-count", "up", age_s=20, today=480),
        DeviceState("gate-1", "ir-thermometer", "down", reason="unplugged"),
    ]
    chain.store_records(
        "0001", NOW, record("till-1", NOW, sale(1, "5")), record("door-1", NOW, DoorCount(in_=3, out=1))
    )
    chain.beat("0001", NOW, devices=devices)

    page = text(console.see("/store/0001").text)

    assert "0001 is online; all 2 accepted records are stored." in page
    assert "vital 1 1 0 none" in page
    assert "door-1 hikvision-count up 20 s ago 480" in page
    assert "gate-1 ir-thermometer down unplugged – 0" in page
    assert "footfall 3 in, 1 out door-1" in page


def test_a_fork_is_told_on_the_stores_page(chain: Chain, console: Visitor) -> None:
    """What headquarters noticed of a store's boxes stands above its lanes, in words, until it is acknowledged."""
    chain.add_store("0001")
    chain.add_store("0002")
    with psycopg.connect(chain.dsn) as connection:
        for rule, subject in [("fork", "ab" * 16), ("two-boxes", "box-1"), ("source-id-reused", "x")]:
            connection.execute(
                "INSERT INTO alert_hq (opened, rule, store, subject, detail) VALUES (now(), %s, '0001', %s, '{}')",
                [rule, subject],
            )
    page = text(console.see("/store/0001").text)
    assert "A disk image of abababab went two ways." in page
    assert "Two mini-PCs speak as box-1." in page
    assert "went two ways" not in console.see("/store/0002").text
    with psycopg.connect(chain.dsn) as connection:
        connection.execute("UPDATE alert_hq SET acknowledged = now()")
    assert "went two ways" not in console.see("/store/0001").text


def test_a_link_that_looks_well_and_is_not_is_told(chain: Chain, console: Visitor) -> None:
    """What a box says is wrong with its link stands on its store's page with what to do, until it says so no more."""
    chain.add_store("0001")
    for fault, most, told in [
        ("no-receipts", None, "Nothing that box-1 sends is receipted."),
        ("too-large", 18_192, "The broker takes no batch of box-1 beyond 18,192 bytes"),
        ("later-release", None, "later-release"),
    ]:
        chain.beat("0001", NOW, link=LinkState("wired", fault=fault, most=most))
        assert told in text(console.see("/store/0001").text)

    chain.beat("0001", NOW, link=LinkState("wired"))
    assert "later-release" not in console.see("/store/0001").text


@pytest.mark.parametrize(
    ("headers", "address", "language"),
    [
        ({}, "/", "en"),
        ({"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}, "/", "zh-CN"),
        ({"Accept-Language": "de,en;q=0.5,zh;q=0.8"}, "/", "zh-CN"),
        ({"Accept-Language": "zh;q=0,*"}, "/", "en"),
        ({"Accept-Language": "zh"}, "/?lang=en", "en"),
        ({"Accept-Language": "en", "Cookie": "lang=zh"}, "/", "zh-CN"),
        ({"Cookie": "lang=xx"}, "/?lang=xx", "en"),
    ],
)
def test_language_is_asked_for_remembered_or_accepted(
    console: Visitor, headers: dict[str, str], address: str, language: str
) -> None:
    """The address wins over the cookie, the cookie over the browser's wish, and English is the last resort."""
    answer = console.see(address, headers=headers)

    assert f'<html lang="{language}">' in answer.text
    assert "Accept-Language" in answer.headers["Vary"]


def test_a_chosen_language_stays(console: Visitor) -> None:
    """After ?lang=zh every page is Chinese."""
    console.see("/?lang=zh")

    assert '<html lang="zh-CN">' in console.see("/").text


@pytest.mark.parametrize("address", ["/", "/store/0001", "/nowhere", "/health", "/static/console.css"])
def test_every_answer_is_guarded(console: Visitor, address: str) -> None:
    """Pages, faults and files carry a strict policy, and only versioned files may be cached."""
    headers = console.see(address).headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "immutable" in console.see("/static/console.css?v=1").headers["Cache-Control"]


def test_pages_hold_no_script_or_style_of_their_own(chain: Chain, console: Visitor) -> None:
    """Nothing in a page needs an exception from the policy."""
    chain.add_store("0001")
    for address in ("/", "/store/0001", "/nowhere"):
        page = console.see(address).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:|hx-on", page)


def test_what_stores_send_is_shown_as_text(chain: Chain, console: Visitor) -> None:
    """Markup in a device's words stays words."""
    chain.add_store("0001", name="<b>shop</b>")
    chain.store_records("0001", NOW, record("x", NOW, Quarantine(device="x", reason="<script>alert(1)</script>")))

    page = console.see("/").text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "&lt;b&gt;shop" in page


def test_an_unknown_store_or_page_leads_back(console: Visitor) -> None:
    """A 404 says what is missing and links to all stores."""
    unknown = console.see("/store/9999")
    nowhere = console.see("/nowhere")

    assert (unknown.status_code, nowhere.status_code) == (404, 404)
    assert "There is no store 9999." in text(unknown.text)
    assert 'href="/"' in nowhere.text


def test_without_database_the_page_says_what_is_safe() -> None:
    """A database that does not answer gives 503 and a page that says so, in words; health fails too."""
    with visiting("host=127.0.0.1 port=1 user=hq dbname=hq") as console:
        answer = console.see("/")
        health = console.see("/health")

    assert answer.status_code == 503
    assert "The database is not available." in text(answer.text)
    assert "No record is lost" in text(answer.text)
    assert 'http-equiv="refresh"' in answer.text
    assert health.status_code == 503


def test_health_is_told_as_json(console: Visitor) -> None:
    """A console that can read its tables is well."""
    assert console.see("/health").json() == {"state": "ok", "database": "ok"}


def test_strange_host_names_are_refused(console: Visitor) -> None:
    """A page of somebody else's name that points at our address gets nothing."""
    assert console.see("/", headers={"Host": "evil.example"}).status_code == 400
