"""A box that really signs and seals, without a disk: what ingest's and the warehouse's tests send."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.ingest.judge import Message
from cloud_sync.seal.dictionary import CURRENT, Zstd
from cloud_sync.seal.epoch_key import EpochKey
from cloud_sync.seal.hpke import OpeningKey, RecipientKey
from cloud_sync.wire import certificate
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire import heartbeat as wire_heartbeat
from cloud_sync.wire.batch import Row, pack_rows
from cloud_sync.wire.certificate import Usage
from cloud_sync.wire.downlink import Signer
from cloud_sync.wire.epoch import NO_EPOCH, EpochHeader, EpochIdentity
from cloud_sync.wire.heartbeat import Heartbeat, LaneState, Will
from cloud_sync.wire.topics import Address, Up
from records import Lane, Record, lane_of, to_wire, type_of
from records.types import Weight
from simulation import traffic

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OPENING = OpeningKey.generate()
KEYS = {OPENING.public.key_id: OPENING}
ROOT = Ed25519PrivateKey.generate()
_RECEIPT = Ed25519PrivateKey.generate()
SIGNER = Signer(_RECEIPT, certificate.issue(ROOT, Usage.RECEIPTS, 1, 1, _RECEIPT.public_key()))
ZSTD = Zstd()


@dataclass
class Box:
    """One mini-PC. `seqs`: the next number of each lane."""

    store: str = "0214"
    name: str = "box-1"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    stream: bytes = field(default_factory=lambda: os.urandom(16))
    seqs: list[int] = field(default_factory=lambda: [1, 1, 1])
    recipient: RecipientKey = OPENING.public
    epoch: EpochKey = field(init=False)
    header: EpochHeader = field(init=False)

    def __post_init__(self) -> None:
        self.new_epoch()

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> bytes:
        return sha256(self.public_key).digest()

    def new_epoch(self) -> None:
        """The key of the next epoch and its signed header."""
        previous = self.header.identity.epoch if hasattr(self, "header") else NO_EPOCH
        self.epoch = EpochKey(os.urandom(16), os.urandom(32))
        opened = int(NOW.timestamp() * 1_000_000)
        first = (self.seqs[0], self.seqs[1], self.seqs[2])
        names = (self.fingerprint, self.store, self.name)
        identity = EpochIdentity(self.stream, self.epoch.epoch, previous, bytes(16), opened, first, *names)
        self.header = wire_epoch.sign(identity, self.epoch.sealed_for(identity, [self.recipient]), self.key)

    def batch(self, records: Sequence[Record], first: int | None = None, lane: Lane | None = None) -> bytes:
        """The next batch of a lane, or one of numbers given before."""
        lane = lane_of(records[0].data) if lane is None else lane
        pairs = [(type_of(record.data).id, to_wire(record)) for record in records]
        return self.epoch.seal_batch(lane, self._number(lane, len(pairs), first), pairs, ZSTD, os.urandom)

    def rows(self, records: Sequence[Record], first: int | None = None) -> bytes:
        """The same as a batch of kind rows."""
        lane = lane_of(records[0].data)
        first = self._number(lane, len(records), first)
        rows = [self._row(lane, seq, record) for seq, record in enumerate(records, first)]
        return pack_rows(lane, self.epoch.epoch, first, rows)

    def _row(self, lane: Lane, seq: int, record: Record) -> Row:
        type_id = type_of(record.data).id
        return Row(type_id, CURRENT, self.epoch.seal_row(lane, seq, type_id, ZSTD.record(to_wire(record)), os.urandom))

    def _number(self, lane: Lane, size: int, first: int | None) -> int:
        if first is not None:
            return first
        self.seqs[lane] += size
        return self.seqs[lane] - size

    def heartbeat(self, session: int, seq: int, **changes: object) -> bytes:
        return wire_heartbeat.sign(self.beat(session, seq, **changes), self.key)

    def beat(self, session: int, seq: int, **changes: object) -> Heartbeat:
        lanes = tuple(LaneState(accepted=next_ - 1) for next_ in self.seqs)
        body: dict[str, object] = {
            "at_us": int(NOW.timestamp() * 1_000_000) + 1_000 * session + seq,
            "version": "0.1.0",
            "stream": self.stream,
            "epoch": self.epoch.epoch,
            "boot": bytes(16),
            "lanes": lanes,
        }
        return Heartbeat(store=self.store, box=self.name, session=session, seq=seq, **(body | changes))  # type: ignore[arg-type]

    def will(self, session: int) -> bytes:
        return wire_heartbeat.sign(Will(self.store, self.name, session), self.key)

    def send(self, what: Up, payload: bytes) -> Message:
        """As it arrives, the payload itself as its token."""
        return Message(Address("se", self.store, self.name).up(what), payload, payload)

    def send_header(self) -> Message:
        return self.send(Up.EPOCH, self.header.raw)

    def send_batch(self, records: Sequence[Record]) -> Message:
        return self.send(Up.BATCH, self.batch(records))


def batches_of(box: Box, seed: int, count: int, size: int) -> list[bytes]:
    """Batches of a busy store, one lane each."""
    lanes: dict[Lane, list[Record]] = {lane: [] for lane in Lane}
    made: list[bytes] = []
    for record in busy(seed):
        waiting = lanes[lane_of(record.data)]
        waiting.append(record)
        if len(waiting) == size:
            made.append(box.batch(waiting))
            waiting.clear()
        if len(made) == count:
            return made
    raise AssertionError("traffic has no end")


def busy(seed: int) -> Iterator[Record]:
    """Records of a busy store, without end."""
    return traffic.records(Random(seed), NOW - timedelta(hours=1))


def sales(seed: int, count: int) -> list[Record]:
    """Vital records: tickets and what else is dear."""
    vital = (record for record in busy(seed) if lane_of(record.data) is Lane.VITAL)
    return [next(vital) for _ in range(count)]


def weigh(count: int) -> list[Record]:
    """Normal records that say the same."""
    return [Record("scale-1", NOW, Weight(kg=Decimal(1))) for _ in range(count)]
