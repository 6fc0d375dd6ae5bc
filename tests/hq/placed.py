"""Boxes beside one till, and the headquarters that counts what they bring."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.ingest.core import Arrived, Core, GiveBack, Send
from cloud_sync.ingest.judge import Message
from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire.downlink import Receipt, open_envelope
from cloud_sync.wire.topics import Address
from devices.driver import Context, Driver
from devices.registry import driver
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.recorder.desk import Desk
from edge_agent.recorder.epochs import BoxSeal
from edge_agent.recorder.shell import RecorderThread
from edge_agent.station import Station
from edge_agent.supervisor import supervise
from tests.cloud_sync.ingest.box import KEYS, NOW, OPENING, ROOT, SIGNER
from tests.cloud_sync.ingest.world import answered
from tests.edge_agent.test_recorder import recording
from tests.hq.warehouse.houses import PostgresHouse

STORE = "0214"
ZONE = ZoneInfo("Asia/Shanghai")
LIMIT_S = 1200


def wait(condition: Callable[[], object], what: str) -> None:
    deadline = monotonic() + LIMIT_S
    while not condition():
        assert monotonic() < deadline, f"waited {LIMIT_S} s for: {what}"
        sleep(0.02)


class Life(NamedTuple):
    """A box that reads its till, until `ended`."""

    station: Station
    recorder: RecorderThread
    ended: threading.Event


@dataclass
class Placed:
    """A box with keys and a buffer of its own, and its own name for the till it stands beside. chunk_rows: of the
    till's that it reads at once; small ones let it be taken away in the middle.
    """

    name: str
    device: str
    folder: Path
    chunk_rows: int = 200
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.folder.mkdir()

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> bytes:
        return sha256(self.public_key).digest()

    def recording(self) -> AbstractContextManager[tuple[Desk, RecorderThread]]:
        return recording(self.folder, BoxSeal(STORE, self.name, bytes(16), self.key, [OPENING.public]))

    def till(self, url: Path, state: dict[str, bytes]) -> Driver:
        package = driver("pos-sql")
        told = {
            "id": self.device,
            "driver": "pos-sql",
            "url_file": url,
            "poll_s": 0.1,
            "chunk_rows": self.chunk_rows,
        }
        return cast(Driver, package.device(package.options.model_validate(told), Context(state, ZONE, currency="CNY")))

    def live(self, url: Path, worn: Callable[[Driver], Driver], until: Callable[[Life], object]) -> list[Parcel]:
        """Recorder, cleaning and supervised driver, as the daemon puts them together; all that is then to be sent."""
        clock, ended = SystemClock(), threading.Event()
        station = Station(self.device, "pos-sql", clock)
        with self.recording() as (desk, recorder):
            intake = Intake(desk, Cleaning(bytes(32)), clock)
            device = worn(self.till(url, desk.ask(lambda buffer: buffer.state(self.device))))
            work = threading.Thread(target=supervise, args=(device, station, intake, ended))
            work.start()
            try:
                until(Life(station, recorder, ended))
            finally:
                ended.set()
                work.join(60)
            return sent(desk, recorder)

    def read(self, url: Path, until: Callable[[Life], object]) -> list[Parcel]:
        """Takes from the till until then; all that it has to send, in its order."""
        return self.live(url, lambda device: device, until)


def sent(desk: Desk, recorder: RecorderThread) -> list[Parcel]:
    """All that a box has, in its order; with receipts, since it makes small batches only where few wait for one."""
    parcels: dict[bytes, Parcel] = {}

    def nothing_left() -> bool:
        status = recorder.status()  # first: what is cut after it is found below
        came = desk.parcels(frozenset(), 200)
        parcels.update((parcel.digest, parcel) for parcel in came)
        desk.receipted(tuple(parcel.prefix for parcel in came))
        return not came and status.cut == status.accepted

    wait(nothing_left, "everything in batches")
    return [*parcels.values()]


def brought(tickets: int) -> Callable[[Life], None]:
    """That a life has taken at least so many from the till."""
    return lambda life: wait(lambda: life.station.seen().today >= tickets, f"{tickets} tickets of the till")


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

    def numbers(self) -> int:
        """How many different tickets of the till are counted."""
        [(numbers,)] = self.house.rows(
            f"SELECT count(DISTINCT source_id) FROM ({TICKETS}) every WHERE duplicate_of IS NULL"  # noqa: S608
        )
        return cast(int, numbers)


TICKETS = """SELECT total, duplicate_of, device, source_id, box FROM pos_sale
    UNION ALL SELECT total, duplicate_of, device, source_id, box FROM pos_return"""
