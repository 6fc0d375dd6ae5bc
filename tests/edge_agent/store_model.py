"""What the buffer's model test drives: a recorder stepped by hand over a real file, a headquarters in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.ingest import core as ingest
from cloud_sync.ingest.judge import Message
from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.uplink.hearing import Hearing, Pin
from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire import certificate
from cloud_sync.wire.certificate import Usage
from cloud_sync.wire.downlink import Hold, Receipt, Signer
from cloud_sync.wire.topics import Address
from edge_agent.buffer import BufferDamaged, BufferError, Transaction
from edge_agent.buffer.schema import PAGE
from edge_agent.clock import Now
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.cutting import ROWS, SEALED, Damaged, Piece, cut
from edge_agent.recorder.epochs import BoxSeal, microseconds
from edge_agent.recorder.messages import (
    Commit,
    Committed,
    Confirm,
    Cut,
    CutDone,
    CutFailed,
    Effect,
    Event,
    Evicted,
    MakeRoom,
    Receipted,
    Reopened,
    TellToWait,
)
from edge_agent.recorder.opening import FILE, Opened, open_buffer, replace_damaged
from edge_agent.recorder.shell import GRACE
from hq.warehouse.memory import MemoryWarehouse
from records import ClockQuality, Lane

STORE, BOX = "0214", "box-1"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
EPOCH_S = 600.0
POLICY = Policy(epoch_s=EPOCH_S, full=12, linger_s=0.05)
KEY = Ed25519PrivateKey.generate()
OPENING = OpeningKey.generate()
SEAL = BoxSeal(STORE, BOX, bytes(16), KEY, [OPENING.public])
_ROOT = Ed25519PrivateKey.generate()
ROOT = _ROOT.public_key()
_RECEIPTS = Ed25519PrivateKey.generate()
FINGERPRINT = sha256(KEY.public_key().public_bytes_raw()).digest()
HQ = Signer(_RECEIPTS, certificate.issue(_ROOT, Usage.RECEIPTS, 1, 1, _RECEIPTS.public_key()))
THIEF = Signer(KEY, certificate.issue(KEY, Usage.RECEIPTS, 9, 1, KEY.public_key()))
Fault = Literal["before", "after", "full", "death"]
Files = dict[str, bytes]


@dataclass
class Clock:
    """Moves when told; the wall clock may jump."""

    wall: datetime = NOON
    mono: float = 1000.0

    def now(self) -> Now:
        return Now(self.wall, self.mono, ClockQuality.SYNCED)

    def move(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += timedelta(seconds=seconds)


class Headquarters:
    """The real ingest over the warehouse in memory. `take` gives the envelopes that it answers with."""

    def __init__(self) -> None:
        self.warehouse = MemoryWarehouse({(STORE, BOX): KEY.public_key().public_bytes_raw()}, date(2020, 1, 1))
        self._core = ingest.Core("se", {OPENING.public.key_id: OPENING}, HQ)
        self._now = NOON
        self._said: list[bytes] = []

    def take(self, parcels: Iterable[Parcel]) -> list[bytes]:
        self._now += ingest.HOLD_EVERY
        topic = Address("se", STORE, BOX)
        messages = [Message(topic.up(parcel.what), parcel.payload, parcel.digest) for parcel in parcels]
        self._run(self._core.step(ingest.Arrived(tuple(messages)), self._now))
        said, self._said = self._said, []
        return said

    def _run(self, effects: list[ingest.Effect]) -> None:
        for effect in effects:
            match effect:
                case ingest.LookUp(boxes, epochs):
                    self._run(self._core.step(self.warehouse.look_up(boxes, epochs), self._now))
                case ingest.Commit(work):
                    self._run(self._core.step(ingest.Committed(self.warehouse.commit(work)), self._now))
                case ingest.Send(envelope=envelope):
                    self._said.append(envelope)


class Died(Exception):
    """The process ended in the middle of a commit."""


@dataclass
class Life:
    """One process's recorder, stepped by hand as its thread steps it, until `crash` or `end`.

    next_fault: what happens at the next commit; confirmed: tickets whose records are on disk; told_to_wait: those of
    sources that shall come again
    """

    folder: Path
    clock: Clock
    next_fault: Fault | None = None
    confirmed: list[tuple[int, ...]] = field(default_factory=list)
    told_to_wait: list[object] = field(default_factory=list)
    sending: frozenset[bytes] = frozenset()
    pieces: list[Piece] = field(default_factory=list)
    salvages: int = 0

    def __post_init__(self) -> None:
        self._zstd = Zstd()
        self._hearing = Hearing(Pin(ROOT, FINGERPRINT, 0))
        self._take_over(open_buffer(self.folder, STORE, BOX, SEAL, self.clock.wall))

    def _take_over(self, opened: Opened) -> None:
        self.buffer = opened.buffer
        self.core = Recorder(opened.identity, opened.view, SEAL, POLICY)
        self._do(self.core.start(self.clock.now(), opened.reason, opened.gaps))

    # --- as the recorder's thread does it ------------------------------------------------------------------------

    def step(self, event: Event) -> None:
        """One event and what it makes necessary; errors of the disk as the thread takes them."""
        try:
            self._step(event)
        except BufferDamaged:
            self.replace()
        except BufferError:
            self.buffer = self.buffer.reopen()
            self._step(Reopened(self.buffer.view()))

    def replace(self) -> None:
        """What the thread does about a file that is found damaged."""
        identity, in_flight = self.core.identity, self.core.in_flight()
        self.buffer.close()
        self.salvages += 1
        path = self.folder / FILE
        opened = replace_damaged(path, identity.store, identity.box, SEAL, self.clock.wall, in_flight)
        self._take_over(opened)
        self.confirmed += in_flight.tickets

    def _step(self, event: Event) -> None:
        self._do(self.core.step(event, self.clock.now()))

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Commit(transaction):
                    self._commit(transaction)
                    self._step(Committed())
                case Confirm(tickets):
                    self.confirmed += tickets
                case Cut(lane):
                    self._look_at(lane)
                case TellToWait(ticket):
                    self.told_to_wait.append(ticket)
                case MakeRoom(size):
                    before_us = microseconds(self.clock.wall - GRACE)
                    self._step(Evicted(self.buffer.outbox.evictable(size, self.sending, before_us)))

    def _commit(self, transaction: Transaction) -> None:
        fault, self.next_fault = self.next_fault, None
        if fault == "full":
            pages = self.buffer._db.one("PRAGMA page_count")
            self.buffer._db.all(f"PRAGMA max_page_count={pages}")
        elif fault == "before":
            raise BufferError("the disk says no")
        self.buffer.apply(transaction)
        if fault == "full":
            self.buffer._db.all(f"PRAGMA max_page_count={2**31}")  # there was room in its free pages
        if fault == "after":
            raise BufferError("the disk says no, and has it")
        if fault == "death":
            raise Died

    def _look_at(self, lane: Lane) -> None:
        expected = self.core.cut[lane]
        rows = self.buffer.rows(lane, expected, self.core.accepted[lane], ROWS, SEALED)
        if rows and rows[0].seq == expected:
            epoch = rows[0].epoch
            piece = Piece(rows, self.core.identity.stream, self.buffer.epoch(epoch), self.core.key(epoch))
            self.pieces.append(piece)
            return
        last = rows[0].seq - 1 if rows else self.core.accepted[lane]
        self._step(CutDone(Damaged(lane, self.core.epoch, expected, last, {}), self.core.identity.stream))

    def finish_cut(self) -> None:
        """The cutter is done with what it was given, also where that was of a file that was replaced meanwhile."""
        while self.pieces:
            piece = self.pieces.pop(0)
            self.step(CutDone(cut(piece, self._zstd, SEAL.random, self.clock.now()), piece.stream))

    def fail_cut(self) -> None:
        """The rows could not be read."""
        if self.pieces:
            self.pieces.clear()
            self.step(CutFailed())

    # --- the link ------------------------------------------------------------------------------------------------

    def parcels(self, limit: int) -> list[Parcel]:
        found = self.buffer.outbox.parcels(frozenset(), limit)
        self.sending = frozenset(parcel.digest for parcel in found)
        return found

    def hear(self, raw: bytes) -> list[Parcel]:
        """An envelope comes down; what HQ asks for."""
        envelope = self._hearing.open(raw)
        match envelope.body if envelope else None:
            case Receipt() as receipt:
                self.step(Receipted(tuple(receipt.each())))
            case Hold() as hold:
                return self.buffer.outbox.headers(list(hold.each()))
        return []

    # --- the end -------------------------------------------------------------------------------------------------

    def image(self) -> Files:
        """What a power cut now would leave: every commit was synced."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if "damaged" not in path.name}

    def end(self) -> None:
        """A clean stop: the log goes into the file, and what it stood in is kept."""
        self.buffer.leave()


def lay(folder: Path, files: Files) -> None:
    """The folder holds these files and what was set aside."""
    for path in folder.iterdir():
        if "damaged" not in path.name:
            path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def damage(folder: Path, random: Random) -> None:
    """Noise in place of one page of the file."""
    path = folder / FILE
    content = bytearray(path.read_bytes())
    at = random.randrange(len(content) // PAGE) * PAGE
    content[at : at + PAGE] = random.randbytes(PAGE)
    path.write_bytes(content)


def torn(before: Files, after: Files, random: Random) -> Files:
    """A cut in the middle of a commit: some of what it wrote to the log is there."""
    log = f"{FILE}-wal"
    if before[FILE] != after[FILE] or log not in before:
        return after
    end = random.randrange(len(after[log]) + 1)
    return {**after, log: after[log][:end] + before[log][end:]}
