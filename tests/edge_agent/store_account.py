"""The plain account that the model test keeps: what was promised, what was seen where, what is told to be gone."""

from __future__ import annotations

from collections import defaultdict
from copy import copy
from dataclasses import dataclass, field

from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.epoch_key import EpochKey, open_epoch
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.batch import Row
from edge_agent.buffer import Buffer
from edge_agent.buffer.transaction import lane_seq
from edge_agent.recorder.core import CLOSING_S
from hq.warehouse.memory import MemoryWarehouse
from records import Lane, Record, from_wire, type_by_id
from records.types import Audit, DeviceHealth, Loss, WifiPresence
from tests.edge_agent.store_model import OPENING, Clock, Life

Place = tuple[bytes, bytes, Lane, int]  # stream, epoch, lane, number
Identity = tuple[str, bytes]
DEVICE = "device"


def made(lane: Lane, number: int, clock: Clock) -> Record:
    """A record of a lane that says which it is."""
    said = {
        Lane.VITAL: Audit(actor="model", action="made", detail=str(number)),
        Lane.NORMAL: DeviceHealth(state="down", reason=str(number)),
        Lane.BULK: WifiPresence(count=number, interval_s=60),
    }[lane]
    return Record(DEVICE, clock.wall, said, int(clock.mono * 1000))


def number_of(record: Record) -> int:
    """Which of ours it is; 0 for what the agent says itself."""
    if record.device != DEVICE:
        return 0
    match record.data:
        case Audit(detail=number) | DeviceHealth(reason=number) | WifiPresence(count=number):
            return int(number or 0)
        case _:
            return 0


@dataclass
class Contents:
    """A buffer's file as HQ could read it. waiting, settled: of batches without and with a receipt; refused: records
    that were refused and are not told yet"""

    rows: dict[Place, Record] = field(default_factory=dict)
    waiting: dict[Place, Record] = field(default_factory=dict)
    settled: dict[Place, Record] = field(default_factory=dict)
    batch_of: dict[Place, bytes] = field(default_factory=dict)
    refused: int = 0

    @property
    def here(self) -> dict[Place, Record]:
        return self.rows | self.waiting | self.settled


class Reader:
    """Opens what a file holds with HQ's key; what was opened once is known again by its bytes."""

    def __init__(self) -> None:
        self._zstd = Zstd()
        self._keys: dict[bytes, tuple[bytes, EpochKey]] = {}
        self._rows: dict[bytes, tuple[Place, Record]] = {}
        self._batches: dict[bytes, list[tuple[Place, Record]]] = {}

    def read(self, buffer: Buffer) -> Contents:
        ask, found = buffer._db.all, Contents()
        epochs = dict(ask("SELECT ordinal, epoch FROM epoch"))
        for ordinal, epoch in epochs.items():
            if epoch not in self._keys:
                header = wire_epoch.parse(buffer.outbox.header(ordinal))
                assert set(header.sealed) == {OPENING.public.key_id}, "an epoch's key is sealed to HQ and nobody else"
                self._keys[epoch] = header.identity.stream, open_epoch(header, OPENING)
        for id_, ordinal, *row in ask("SELECT id, epoch, type, dictionary, sealed FROM journal"):
            place, record = self._row(epochs[ordinal], *lane_seq(id_), Row(*row))
            found.rows[place] = record
        for digest, settled, payload in ask("SELECT digest, settled_us, payload FROM outbox"):
            for place, record in self._batch(digest, payload):
                assert place not in found.batch_of, "a number is in two batches"
                found.batch_of[place] = digest
                (found.waiting if settled is None else found.settled)[place] = record
        found.refused = sum(count for (count,) in ask("SELECT value FROM fact WHERE name LIKE 'refused.%'"))
        return found

    def _row(self, epoch: bytes, lane: Lane, seq: int, row: Row) -> tuple[Place, Record]:
        if row.sealed not in self._rows:
            stream, key = self._keys[epoch]
            plain = key.open_row(lane, seq, row, self._zstd)
            self._rows[row.sealed] = (stream, epoch, lane, seq), from_wire(type_by_id(row.type_id), plain)
        return self._rows[row.sealed]

    def _batch(self, digest: bytes, payload: bytes) -> list[tuple[Place, Record]]:
        assert wire_batch.digest(payload) == digest, "a batch changed"
        if digest not in self._batches:
            header, body = wire_batch.parse(payload)
            stream, key = self._keys[header.epoch]
            self._batches[digest] = [
                ((stream, header.epoch, header.lane, seq), from_wire(type_by_id(kind), plain))
                for seq, (kind, plain) in enumerate(key.open_batch(header, body, self._zstd), header.first)
            ]
        return self._batches[digest]


@dataclass
class Account:
    """What is known so far.

    given: every number ever seen, and to what it was given; place_of: where each of our records was first seen
    told: numbers that tombstones name; at_hq: numbers of batches whose receipt came; forgiven: numbers that went with
    what an old image wrote over; known: source events taken; refused: records that were confirmed and not taken
    loose: after salvage or an old image a number may stand once more where it was before
    """

    given: dict[Place, Record] = field(default_factory=dict)
    place_of: dict[int, Place] = field(default_factory=dict)
    top: dict[tuple[bytes, Lane], int] = field(default_factory=lambda: defaultdict(int))
    first_batch: dict[Place, bytes] = field(default_factory=dict)
    told: set[Place] = field(default_factory=set)
    receipts: set[bytes] = field(default_factory=set)
    at_hq: set[Place] = field(default_factory=set)
    forgiven: set[Place] = field(default_factory=set)
    expected: dict[int, Identity] = field(default_factory=dict)
    known: dict[Identity, int] = field(default_factory=dict)
    new: list[int] = field(default_factory=list)
    refused: int = 0
    said_refused: int = 0
    loose: bool = False
    imaged: bool = False
    contents: Contents = field(default_factory=Contents)
    reader: Reader = field(default_factory=Reader)
    ended: dict[bytes, float] = field(default_factory=dict)
    back_to: Account | None = None
    recount: bool = False
    more_counted: bool = False

    def copy(self) -> Account:
        """As it stands now."""
        then = copy(self)
        then.given, then.known = dict(self.given), dict(self.known)
        return then

    # --- what is said ------------------------------------------------------------------------------------------------

    def expect(self, number: int, identity: Identity) -> None:
        """A record of a source event is brought."""
        self.expected[number] = identity

    def enter(self, numbers: list[int]) -> None:
        """These were confirmed."""
        self.new += numbers

    def receipted(self, prefixes: list[bytes]) -> None:
        """HQ's receipt comes down."""
        self.receipts.update(prefixes)

    def is_of_one_stream(self, stream: bytes) -> bool:
        """Nothing of a file before is held: how far its numbers went, a second salvage could not tell."""
        return all(place[0] == stream for place in self.contents.here)

    def recounts(self) -> None:
        """What was refused may be counted, though nobody was told that his records were taken."""
        self.more_counted = True

    def is_salvaged(self) -> None:
        self.loose = self.recount = True

    def goes_back_to(self, then: Account) -> None:
        self.loose = self.recount = self.imaged = True
        self.back_to = then

    # --- what must hold ----------------------------------------------------------------------------------------------

    def check(self, life: Life) -> None:
        """Looks into the file."""
        self.contents = found = self.reader.read(life.buffer)
        here = found.here
        self.at_hq |= {place for place, digest in found.batch_of.items() if digest[:16] in self.receipts}
        assert len(here) == len(found.rows) + len(found.waiting) + len(found.settled), "a number stands in two places"
        self._numbers(here)
        self._batches(found)
        if self.back_to is not None:
            kept, self.back_to = self.back_to.given, None
            self.forgiven |= {place for place in self.given if place not in kept and place not in here}
        self._conserved(found, here)
        self._promises()

    def _numbers(self, here: dict[Place, Record]) -> None:
        fresh = sorted((place for place in here if place not in self.given), key=lambda place: place[3])
        for place in here.keys() - set(fresh):
            assert self.given[place] == here[place], "a number was given to two records"
        for place in fresh:
            stream, _, lane, seq = place
            top = self.top[stream, lane]
            assert seq == top + 1 or (self.imaged and seq <= top), f"number {seq} follows {top}"
            self.top[stream, lane] = max(seq, top)
            self._take(place, here[place])

    def _take(self, place: Place, record: Record) -> None:
        self.given[place] = record
        number = number_of(record)
        if number:
            assert number not in self.place_of, "a record has two numbers"
            self.place_of[number] = place
        match record.data:
            case Loss(stream=str(stream), epoch=str(epoch), lane=int(lane), first=int(first), last=int(last)):
                span = range(first, last + 1)
                self.told |= {(bytes.fromhex(stream), bytes.fromhex(epoch), Lane(lane), seq) for seq in span}
            case Loss(reason="refused", count=count):
                self.said_refused += count

    def _batches(self, found: Contents) -> None:
        for place, digest in found.batch_of.items():
            first = self.first_batch.setdefault(place, digest)
            assert first == digest or self.loose, "a number moved to another batch"

    def _conserved(self, found: Contents, here: dict[Place, Record]) -> None:
        """Everything is here, at HQ, told to be gone, or went with an old image; a receipt alone settles."""
        gone = self.given.keys() - here.keys()
        lost = gone - self.at_hq - self.told - self.forgiven
        assert not lost, f"{len(lost)} records are nowhere, and nobody says so"
        assert found.settled.keys() <= self.at_hq, "a batch was settled without a receipt"
        if not self.loose:
            assert not self.at_hq & (found.waiting.keys() | found.rows.keys()), "what HQ has is sent again"
            assert not self.told & here.keys(), "a tombstone names what is here"

    def _promises(self) -> None:
        """Each confirmed record has a number, or is a repeat, or is counted as refused."""
        for number in self.new:
            identity = self.expected.pop(number, None)
            if number in self.place_of:
                assert identity not in self.known or identity is None, "a source event was taken twice"
                if identity:
                    self.known[identity] = number
            elif identity is None or identity not in self.known:
                self.refused += 1
        self.new.clear()
        counted = self.contents.refused + self.said_refused
        if self.recount or (self.more_counted and self.refused < counted):
            self.refused, self.recount = counted, False
        self.more_counted = False
        assert self.refused == counted, f"{self.refused} records were refused, {counted} are counted"

    def check_keys(self, life: Life) -> None:
        """After a look at what is due: of ended epochs no key is held that nothing needs, or beyond the deadline."""
        rows = {ordinal for (ordinal,) in life.buffer._db.all("SELECT DISTINCT epoch FROM journal")}
        for ordinal, epoch in life.buffer._db.all("SELECT ordinal, epoch FROM epoch"):
            if epoch == life.core.epoch:
                continue
            just_now = epoch not in self.ended
            ended = self.ended.setdefault(epoch, life.clock.mono)
            if life.core.key(ordinal) is not None:
                assert just_now or ordinal in rows, "the key of an epoch is held of which every record is cut"
                assert life.clock.mono < ended + CLOSING_S, "the key of an ended epoch is held for too long"

    def check_stored(self, warehouse: MemoryWarehouse) -> None:
        """In the end: HQ has every record that is not told or forgiven, and none twice."""
        stored: dict[int, int] = defaultdict(int)
        for each in warehouse.rows:
            number = number_of(each.opened.record)
            if number:
                stored[number] += 1
        assert all(times == 1 for times in stored.values()), "a record is stored twice"
        missing = [
            number
            for number, place in self.place_of.items()
            if not stored[number] and place not in self.told and place not in self.forgiven
        ]
        assert not missing, f"{len(missing)} accepted records never came to HQ"
