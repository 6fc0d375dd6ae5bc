"""No full card number leaves the box or stays on it, wherever a till put it: asked of its folder, its log, and all
that a broker carried, opened with HQ's own key.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import pytest

from cloud_sync.uplink.messages import NewParcels, Parcel, Say
from cloud_sync.wire.heartbeat import Heartbeat, verify
from cloud_sync.wire.topics import Up
from devices.driver import DeviceOffline, Item, Reading, Rejected, Taken
from edge_agent.cleaning import Policy
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.pulse import Pulse, Self
from edge_agent.recorder.desk import Desk, Submission
from edge_agent.recorder.shell import RecorderThread
from edge_agent.station import Station
from edge_agent.supervisor import supervise
from records import Record, to_json
from records.types import DeviceHealth, PosSale, Quarantine, SaleLine, Tender
from tests.cloud_sync.test_uplink_mqtt import Hq, headquarters, here
from tests.cloud_sync.uplink_run import BOX, Running
from tests.cloud_sync.uplink_run import running as linking
from tests.edge_agent.boxes import TestBox, folder_bytes
from tests.edge_agent.cleaning.test_cards import TEXTS, cards, grouped
from tests.edge_agent.test_recorder import running, until
from tests.edge_agent.test_supervisor import Scripted
from tests.services import BrokerForTests

PLACES = 6  # cards of one sale and one reject
QUOTED = 100  # cards of one complaint
PATIENCE_S = 1200.0  # a hundred thousand are some minutes' work of a busy machine
CONTROLLED = ("records", "heartbeats", "files", "log")
SEPARATORS = " -.\u00a0"
RAW = [
    "paid {} EXP 12/27",
    "{} 12/27",
    "%B{}^DOE/JOHN^25121010000000000?",
    ";{}=25121010000012300000?",
    "<PAN>{}</PAN><ExpirationDate>2027-12</ExpirationDate>",
]
COMPLAINTS = [
    "Conversion failed when converting the varchar value '{}' to data type int",
    'invalid input syntax for type integer: "{}"',
    "Incorrect integer value: '{}' for column 'amount' at row 1",
    "Duplicate entry '{}' for key 'PRIMARY'",
    "{}.xml cannot leave /srv/till (Permission denied)",
]


def said(numbers: list[str], name: str, rng: Random) -> Iterator[Item]:
    """A sale and a reject with these numbers in them."""
    product, operator, customer, tender, raw, raw_grouped = numbers
    at = datetime.now(UTC)
    line = SaleLine(1, "sale", name=rng.choice(TEXTS).format(written(product, rng)), quantity=Decimal(1))
    sale = PosSale(
        name,
        name,
        operator=written(operator, rng),
        customer=written(customer, rng),
        lines=(line,),
        tenders=(Tender("card", Decimal(1), masked_pan=tender),),
    )
    yield Reading(sale, at)
    told = f"{rng.choice(RAW).format(raw)}\n{rng.choice(TEXTS).format(written(raw_grouped, rng))}"
    yield Rejected("no sale", told.encode(), at)


def shown(logged: str) -> str:
    """What a log wrote, but for escapes of the wide space."""
    return logged.replace(r"\xc2\xa0", "\u00a0").replace(r"\xa0", "\u00a0")


def written(number: str, rng: Random) -> str:
    return rng.choice([number, *(grouped(number, separator) for separator in SEPARATORS)])


def text_of(record: Record) -> str:
    """All that a record says, its quarantined bytes in the clear."""
    data = record.data
    raw = b64decode(data.raw).decode() if isinstance(data, Quarantine) else ""
    return to_json(record).decode() + raw


def full(text: str, planted: frozenset[str]) -> set[str]:
    """The planted numbers that stand whole in a text, separators or not."""
    found = set()
    for run in re.findall(r"[0-9](?:[ .\u00a0-]?[0-9]){12,}", text):
        digits = re.sub(r"[^0-9]", "", run)
        for size in range(13, 20):
            found |= {digits[start : start + size] for start in range(len(digits) - size + 1)} & planted
    return found


def script(numbers: list[str], rng: Random) -> Iterator[Taken | Exception]:
    """Sales and rejects with all of these, two hundred of each at a time; before every third time the till is lost, and
    like a database it quotes what it stumbled over.
    """
    left = iter(numbers)
    for turn, batch in enumerate(iter(lambda: list(islice(left, PLACES * 200)), [])):
        quoted = "; ".join(rng.choice(COMPLAINTS + TEXTS).format(written(number, rng)) for number in batch[:QUOTED])
        if turn % 3 == 0:
            yield DeviceOffline(f"the database refuses ({quoted}): is it up, reachable and not locked?")
        items: list[Item] = []
        for start in range(0, len(batch), PLACES):
            items += said(batch[start : start + PLACES], f"sale {len(items)} of {batch[0][:6]}", rng)
        yield Taken(items, lambda: None, quoted)


class Till(Scripted):
    """tell: called whenever it is opened, when what it was lost for still stands."""

    def __init__(self, script: list[Taken | Exception], tell: Callable[[], None]) -> None:
        super().__init__(*script)
        self._tell = tell

    def open(self) -> None:
        super().open()
        self._tell()


class Bench(NamedTuple):
    """A box and headquarters, with a broker between."""

    box: TestBox
    desk: Desk
    recorder: RecorderThread
    uplink: Running
    hq: Hq

    def pulse(self, folder: Path, stations: list[Station]) -> Pulse:
        clock = SystemClock()
        me = Self("0214", "box-1", bytes(16), self.box.key, folder, "", 60, clock.now())
        return Pulse(me, clock, stations, self.recorder.status, lambda: self.uplink.core.figures, 1)

    def take(self, device: Till, station: Station) -> None:
        """All that the device brings, under supervision, until headquarters has it."""
        intake, ended = Intake(self.desk, Policy(bytes(32)), SystemClock()), threading.Event()
        work = threading.Thread(target=supervise, args=(device, station, intake, ended))
        work.start()
        try:
            patiently(device.done.is_set, "the till's last sale")
        finally:
            ended.set()
            work.join(60)
        assert not work.is_alive()
        patiently(self._gone, "all with headquarters")

    def _gone(self) -> bool:
        status = self.recorder.status()
        return status.cut == status.accepted and not any(waiting.rows for waiting in status.waiting.values())

    def heartbeats(self) -> list[Heartbeat]:
        said = [verify(raw, self.box.key.public_key()) for raw in self.hq.payloads(Up.HEARTBEAT)]
        return [body for body in said if isinstance(body, Heartbeat)]

    def records(self) -> list[Record]:
        """All that came, opened as headquarters opens it."""
        kinds = [(what, payload) for what in (Up.EPOCH, Up.BATCH) for payload in dict.fromkeys(self.hq.payloads(what))]
        return [*self.box.read([Parcel(sha256(raw).digest(), what, raw) for what, raw in kinds]).values()]


def patiently(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for: {what}"
        time.sleep(0.05)


@contextmanager
def bench(folder: Path, broker: BrokerForTests) -> Iterator[Bench]:
    box, files = TestBox(), broker.box(BOX.store, BOX.box)
    with (
        headquarters(broker) as hq,
        running(folder, box) as (desk, recorder),
        linking([here(broker)], files, desk) as uplink,
    ):
        desk.on_cut = lambda: uplink.inbox.offer(NewParcels())
        until(lambda: uplink.up, "a session")
        yield Bench(box, desk, recorder, uplink, hq)


def uncleaned(desk: Desk, folder: Path, controls: dict[str, str]) -> Station:
    """Puts a card into every place around the cleaning, so that a place without any means something."""
    reading = Record("control", datetime.now(UTC), DeviceHealth("down", controls["records"]))
    desk.submit(Submission("control", [reading], [None], {})).result(60)
    (folder / "control").write_text(controls["files"])
    logging.getLogger("control").warning("note=%r", controls["log"])
    return Station("control", "none", SystemClock(), "down", controls["heartbeats"])


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_no_card_is_found_whole(
    tmp_path: Path,
    broker: BrokerForTests,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    count: int,
) -> None:
    """Not in names, people, tenders, rejects, tracks and reasons: in no record as HQ reads it, no heartbeat, no
    payload of MQTT, no file of the box, and not in its log. In each place the one that was put there is found.
    """
    caplog.set_level(logging.INFO)
    made = list(cards(count - count % PLACES + len(CONTROLLED)))
    controls, numbers = dict(zip(CONTROLLED, made, strict=False)), made[len(CONTROLLED) :]
    told = list(script(numbers, Random(21)))
    losses = sum(isinstance(step, DeviceOffline) for step in told)
    assert set().union(*(full(shown(str(step)), frozenset(numbers)) for step in told)) == set(numbers)

    with bench(tmp_path, broker) as it:
        station = Station("till", "poslog", SystemClock())
        pulse = it.pulse(tmp_path, [station, uncleaned(it.desk, tmp_path, controls)])
        it.take(Till(told, lambda: it.uplink.inbox.put(Say(pulse.beat(full=True)))), station)
        patiently(lambda: len(it.heartbeats()) == 1 + losses, "every heartbeat")
    records, heartbeats = it.records(), it.heartbeats()
    places = {
        "records": "\n".join(map(text_of, records)),
        "heartbeats": msgspec.json.encode(heartbeats).decode(),
        "payloads": b"\n".join(payload for _, payload in it.hq.heard).decode("utf-8", "replace"),
        "files": folder_bytes(tmp_path).decode("utf-8", "replace"),
        "log": shown(caplog.text + "".join(capfd.readouterr())),
    }

    assert {type(record.data): 0 for record in records}.keys() >= {PosSale, Quarantine, DeviceHealth}
    for kind in (PosSale, Quarantine):
        assert sum(isinstance(record.data, kind) for record in records) == len(numbers) // PLACES
    assert sum("****" in (device.reason or "") for body in heartbeats for device in body.devices) == losses > 0
    controls["payloads"] = controls["heartbeats"]  # which are signed, not sealed
    assert {place: full(text, frozenset(made)) for place, text in places.items()} == {
        place: {controls[place]} for place in places
    }
