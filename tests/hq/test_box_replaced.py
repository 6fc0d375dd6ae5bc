"""A box is replaced beside a till that is full: headquarters counts each sale once, whoever of the two brought it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.ingest.core import Arrived, Core, GiveBack, Send
from cloud_sync.ingest.judge import Message
from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire.downlink import Receipt, open_envelope
from cloud_sync.wire.topics import Address, Up
from devices.driver import Context, Driver
from devices.registry import driver
from edge_agent.buffer import Buffer
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.desk import Desk
from edge_agent.recorder.epochs import BoxSeal
from edge_agent.recorder.opening import FILE, open_buffer
from edge_agent.recorder.shell import RecorderThread
from edge_agent.station import Station
from edge_agent.supervisor import supervise
from tests.cloud_sync.ingest.box import KEYS, NOW, OPENING, ROOT, SIGNER
from tests.cloud_sync.ingest.world import answered
from tests.devices.pos_sql.till import Till
from tests.edge_agent.boxes import NOON
from tests.edge_agent.test_recorder import AMPLE
from tests.hq.warehouse.houses import PostgresHouse

STORE = "0214"
SOLD = 2_000
ZONE = ZoneInfo("Asia/Shanghai")
LIMIT_S = 120


def wait(condition, what: str) -> None:
    deadline = monotonic() + LIMIT_S
    while not condition():
        assert monotonic() < deadline, f"waited {LIMIT_S} s for: {what}"
        sleep(0.02)


@dataclass
class Placed:
    """A box with keys and a buffer of its own, and its own name for the till it stands beside."""

    name: str
    device: str
    folder: Path
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.folder.mkdir()

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> bytes:
        return sha256(self.public_key).digest()

    @contextmanager
    def recording(self) -> Iterator[tuple[Desk, RecorderThread]]:
        seal = BoxSeal(STORE, self.name, bytes(16), self.key, [OPENING.public])
        opened = open_buffer(self.folder, STORE, self.name, seal, NOON)
        opened.buffer.close()
        desk, recorder = Desk(), Recorder(opened.identity, opened.view, seal, Policy())
        thread = RecorderThread(Buffer(self.folder / FILE), recorder, desk, SystemClock(), seal, AMPLE)
        thread.start(opened.reason, opened.gaps)
        work = threading.Thread(target=thread.run)
        work.start()
        try:
            yield desk, thread
        finally:
            thread.stop()
            work.join(60)

    def till(self, url: Path) -> Driver:
        """Small looks, so that a box can be taken away in the middle."""
        package = driver("pos-sql")
        told = {"id": self.device, "driver": "pos-sql", "url_file": url, "poll_s": 0.1, "chunk_rows": 200}
        return cast(Driver, package.device(package.options.model_validate(told), Context({}, ZONE, currency="CNY")))

    def read(self, url: Path, tickets: int) -> list[Parcel]:
        """Takes at least so many from the till; all that it then has to send, in its order."""
        clock, ended = SystemClock(), threading.Event()
        station = Station(self.device, "pos-sql", clock)
        with self.recording() as (desk, recorder):
            intake = Intake(desk, Cleaning(bytes(32)), clock)
            work = threading.Thread(target=supervise, args=(self.till(url), station, intake, ended))
            work.start()
            try:
                wait(lambda: station.seen().today >= tickets, f"{tickets} tickets of the till")
            finally:
                ended.set()
                work.join(60)
            wait(lambda: recorder.status().cut == recorder.status().accepted, "everything in batches")
            return list(desk.parcels(frozenset(), 10_000))


class Counted(NamedTuple):
    """What headquarters' tickets come to, and how many they are."""

    total: Decimal
    tickets: int


@dataclass
class Headquarters:
    """The ingest core over PostgreSQL. receipts: names of what it told boxes that it holds."""

    house: PostgresHouse
    core: Core = field(default_factory=lambda: Core("se", KEYS, SIGNER))
    receipts: set[bytes] = field(default_factory=set)
    boxes: dict[str, Placed] = field(default_factory=dict)

    def register(self, box: Placed) -> None:
        self.boxes[box.name] = box
        self.house.register(STORE, box.name, box.public_key)

    def take(self, box: Placed, parcels: Sequence[Parcel]) -> None:
        """Each of these is stored and receipted."""
        address = Address("se", STORE, box.name)
        for parcel in parcels:
            message = Message(address.up(parcel.what), parcel.payload, parcel.digest)
            for effect in answered(self.core, self.house.port, Arrived((message,)), NOW):
                assert not isinstance(effect, GiveBack), "the warehouse was never away"
                if isinstance(effect, Send):
                    self._told(effect.box, effect.envelope)
        assert {parcel.prefix for parcel in parcels} <= self.receipts

    def _told(self, name: str, envelope: bytes) -> None:
        opened = open_envelope(envelope, ROOT.public_key(), self.boxes[name].fingerprint, 1)
        assert opened is not None
        assert isinstance(opened.body, Receipt), opened.body
        self.receipts.update(opened.body.each())

    def counted(self, where: str = "duplicate_of IS NULL") -> Counted:
        """Of sales and returns in whatever records `where` chooses; a return's total is negative."""
        [(total, tickets)] = self.house.rows(
            f"SELECT coalesce(sum(total), 0), count(*) FROM (SELECT * FROM ({TICKETS}) every WHERE {where}) chosen"  # noqa: S608
        )
        return Counted(total, tickets)


TICKETS = """SELECT total, duplicate_of, device, source_id, box FROM pos_sale
    UNION ALL SELECT total, duplicate_of, device, source_id, box FROM pos_return"""


@pytest.fixture
def headquarters(migrated: str) -> Iterator[Headquarters]:
    house = PostgresHouse(migrated, [])
    yield Headquarters(house)
    house.port.close()


def carried_off(headquarters: Headquarters, folder: Path, till: Till) -> int:
    """The first box reads a third of the till, sends half of that and is gone with the rest; what headquarters has."""
    old = Placed("box-1", "till", folder / "box-1")
    headquarters.register(old)
    parcels = old.read(till.url, SOLD // 3)
    batches = [parcel for parcel in parcels if parcel.what is Up.BATCH]
    assert len(batches) > 1, "something is lost with the box"
    headers = [parcel for parcel in parcels if parcel.what is Up.EPOCH]
    headquarters.take(old, [*headers, *batches[: len(batches) // 2]])
    came = headquarters.counted().tickets
    assert 0 < came < SOLD
    return came


def replaced(headquarters: Headquarters, folder: Path, till: Till) -> None:
    """Another box is put there, reads the till from its first sale to its last, and sends everything."""
    new = Placed("box-2", "till-new", folder / "box-2")
    headquarters.register(new)
    headquarters.take(new, new.read(till.url, SOLD))


def test_a_replaced_box_adds_no_cent_and_loses_none(headquarters: Headquarters, tmp_path: Path) -> None:
    """Counted are the till's own sum and number of tickets; what came by both boxes is kept and names the first."""
    till = Till(tmp_path)
    owed = till.sell(SOLD)
    twice = carried_off(headquarters, tmp_path, till)
    replaced(headquarters, tmp_path, till)

    assert headquarters.counted() == Counted(owed, SOLD)
    assert headquarters.counted("duplicate_of IS NOT NULL").tickets == twice
    assert headquarters.counted("duplicate_of IS NOT NULL AND box = 'box-2' AND device = 'till-new'").tickets == twice
    assert headquarters.house.rows(
        f"SELECT count(DISTINCT source_id) FROM ({TICKETS}) every WHERE duplicate_of IS NULL"  # noqa: S608
    ) == [(SOLD,)]
    assert headquarters.house.rows("SELECT count(*) FROM quarantine") == [(0,)]
    assert headquarters.house.alerts() == []


def test_a_number_that_the_till_gave_anew_is_counted_and_alerted(headquarters: Headquarters, tmp_path: Path) -> None:
    """A sale that stands under its number with another content when the second box reads: both count, with an alert."""
    till = Till(tmp_path)
    owed = till.sell(SOLD)
    twice = carried_off(headquarters, tmp_path, till)
    [(source_id, day, gone)] = headquarters.house.rows(
        "SELECT source_id, business_day, total FROM pos_sale ORDER BY source_id LIMIT 1"
    )
    workstation, _, number = str(source_id).split("/")
    till.db.execute("DELETE FROM t_rm_saleflow WHERE trim(flow_no) = ?", [number])
    till.db.execute("DELETE FROM t_rm_payflow WHERE trim(flow_no) = ?", [number])
    till.line(
        number,
        sale_price="77777.77",
        sale_qnty="1",
        sale_money="77777.77",
        posid=workstation,
        oper_date=f"{day} 12:00:00",
    )
    till.pay(number, "77777.77", posid=workstation)
    replaced(headquarters, tmp_path, till)

    assert headquarters.counted() == Counted(owed + Decimal("77777.77"), SOLD + 1)
    assert headquarters.counted(f"source_id = '{source_id}' AND duplicate_of IS NULL") == Counted(
        gone + Decimal("77777.77"), 2
    )
    assert headquarters.counted("duplicate_of IS NOT NULL").tickets == twice - 1
    assert headquarters.house.alerts() == [f"pos.sale/{day}/{source_id}"]
