"""The recorder's state machine: events in, effects out. No disk, no thread, no clock.

    Start ──▶ Commit(epoch, stream.open) ──▶ Committed
    Accept* , Flush ──▶ Commit(rows) ──▶ Committed ──▶ Confirm(tickets)
                           │ Reopened (after any error: what does the file say?)
                           ├─ it is there ──▶ Confirm
                           └─ it is not ────▶ Commit, the same transaction with the same numbers
    Tick ──▶ Commit(new epoch) when the epoch is old; Cut(lane) when a lane should be cut; MakeRoom when space is short
    CutDone ──▶ Commit(batch)          Receipted ──▶ Commit(settled)
    Evicted ──▶ Commit(evicted, their tombstones); of nothing: only vital records are taken (see `admission`)

One transaction is under way at a time.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from io import BytesIO
from math import inf
from typing import Literal, NamedTuple

from msgspec import Struct

from cloud_sync.seal.dictionary import CURRENT, Zstd
from cloud_sync.seal.epoch_key import NONCE, EpochKey
from cloud_sync.wire import batch as wire_batch
from edge_agent.buffer.outbox import Evictable
from edge_agent.buffer.salvage import Gap
from edge_agent.buffer.store import StreamIdentity, View
from edge_agent.buffer.transaction import Batch, JournalRow, NewEpoch, Transaction, checksum
from edge_agent.clock import Now
from edge_agent.recorder.admission import Admission
from edge_agent.recorder.cadence import Cadence
from edge_agent.recorder.cutting import Damaged
from edge_agent.recorder.epochs import Seal, microseconds
from edge_agent.recorder.losses import LossReason, tombstone, too_large
from edge_agent.recorder.messages import (
    Accept,
    Commit,
    Committed,
    Confirm,
    Cut,
    CutDone,
    CutFailed,
    Effect,
    EndEpoch,
    Event,
    Evicted,
    Flush,
    MakeRoom,
    Receipted,
    Remember,
    Reopened,
    Rotten,
    TellToWait,
    Tick,
    WantedAgain,
)
from edge_agent.recorder.parts import InFlight, OpenEpoch, Pending
from records import Lane, Record, to_wire, type_of
from records.types import Loss, StreamOpen

Reason = Literal["new", "salvaged", "restored", "forked", "re-imaged"]
MAX_SEALS = 2**24
CLOSING_S = 60.0


class Policy(NamedTuple):
    """When epochs end and batches are cut.

    epoch_s: age at which an epoch ends; full: rows that make a batch worth cutting while the link is busy or down;
    linger_s: how long a live record may wait for company, thrifty_s: where records come about once a second,
    drain_s: while a backlog goes out beside it
    """

    epoch_s: float = 3600.0
    full: int = 1500
    linger_s: float = 0.05
    thrifty_s: float = 2.2
    drain_s: float = 1.0


class Recorder:
    """See the module's docstring. Give it `start()` first, then events."""

    def __init__(self, identity: StreamIdentity, view: View, seal: Seal, policy: Policy) -> None:
        self.identity = identity
        self.next = dict(view.next)
        self.cut = dict(view.cut)
        self.accepted = {lane: following - 1 for lane, following in view.next.items()}
        self._seal = seal
        self.policy = policy
        self._zstd = Zstd()
        self._number = view.transaction
        self._epochs: dict[int, OpenEpoch] = {}
        self._newest = view.epoch or (0, bytes(16))
        self._pending = Pending()
        self._flying: Transaction | None = None
        self._tickets: list[object] = []
        self._cutting: Lane | None = None
        self._turn_of = {lane: int(lane) for lane in Lane}
        self._evicting = False
        self._waits_since = dict.fromkeys(Lane, 0.0)
        self._cadence = {lane: Cadence() for lane in Lane}
        self._admission = Admission(view.facts)

    def start(self, now: Now, reason: Reason | None, gaps: Sequence[Gap] = ()) -> list[Effect]:
        """Opens the first epoch of this life.

        reason: why the stream is new, None when it goes on; gaps: what a file before it lost, to be told
        """
        epoch = self._open_epoch(now)
        if reason is not None:
            previous = self.identity.previous
            said = StreamOpen(self.identity.store, self.identity.box, reason, previous.hex() if previous else None)
            self._say(said, now)
        for gap in gaps:
            self._say(tombstone("damaged", gap, {}), now)
        return self._commit(epoch=epoch)

    def in_flight(self) -> InFlight:
        """What was accepted and is not known to be on disk, with the tickets that wait for it."""
        flown, pending = self._flying or Transaction(0), self._pending
        seen = [(device, key, day) for (device, key), day in pending.identities.items()]
        return InFlight(
            self.identity.stream,
            [epoch.header for epoch in self._epochs.values()],
            [*flown.rows, *pending.rows],
            {**flown.state, **pending.state},
            [*flown.seen, *seen],
            [*self._tickets, *pending.tickets],
            dict(self.next),
            {**flown.facts, **pending.facts},
        )

    def key(self, ordinal: int) -> EpochKey | None:
        """The key of an epoch, None once it is dropped."""
        held = self._epochs.get(ordinal)
        return held.key if held else None

    @property
    def epoch(self) -> bytes:
        """The current epoch's id."""
        return self._newest[1]

    @property
    def uncut(self) -> bool:
        """Whether rows wait in the journal."""
        return any(self.cut[lane] < self.next[lane] for lane in Lane)

    @property
    def oldest_ordinal(self) -> int:
        """Epochs before this one take no more rows."""
        return min(self._epochs)

    def identity_key(self, device: str, identity: str) -> tuple[str, bytes]:
        """A source identity as it is kept: the device and a keyed hash."""
        return device, hmac.digest(self.identity.secret, f"{device}\0{identity}".encode(), sha256)[:16]

    def step(self, event: Event, now: Now) -> list[Effect]:
        """What to do about an event."""
        match event:
            case Accept():
                return self._accept(event, now)
            case Flush():
                return self._flush()
            case Committed():
                return self._committed()
            case Reopened(view):
                return self._reopened(view)
            case Tick(linger_s, room):
                self._admission.look(room)
                return self._tick(now, linger_s)
            case CutDone(made, stream):
                return self._keep_cut(made, now) if stream == self.identity.stream else []
            case Evicted(batches):
                return self._evict(batches, now)
            case Rotten(batches):
                return self._bury(batches, "damaged", now)
            case CutFailed():
                self._cutting = None
                return []
            case Receipted(prefixes):
                at_us = microseconds(now.wall)
                self._pending.settled.extend((prefix, at_us) for prefix in prefixes)
                return self._flush()
            case WantedAgain(digests):
                self._pending.again.extend(digests)
                return self._flush()
            case EndEpoch():
                self._epochs[self._newest[0]].opened = -inf
                return []
            case Remember(name, value):
                self._pending.facts[name] = value
                return self._flush()

    # --- accepting -------------------------------------------------------------------------------------------------

    def _accept(self, event: Accept, now: Now) -> list[Effect]:
        if event.waits and not self._admission.open:
            return [TellToWait(event.ticket)]
        taken: list[Record] = []
        refused = False
        for record, identity in zip(event.records, event.identities, strict=True):
            if identity is not None and (identity in event.known or identity in self._pending.identities):
                continue
            if not self._admission.takes(record):
                refused = True
                continue
            if identity is not None:
                self._pending.identities[identity] = now.wall.date().toordinal()
            taken.append(record)
        self._take(taken, now)
        if not refused:  # what was refused must be told again, so its cursor stays where it was
            self._pending.state.update(event.state)
        self._pending.facts |= self._admission.facts
        self._pending.tickets.append(event.ticket)
        return []

    def _take(self, records: Sequence[Record], now: Now) -> None:
        """Numbers and seals them. All nonces are drawn at once: a call to the system costs as much as a seal."""
        ordinal, epoch = self._newest[0], self._epochs[self._newest[0]]
        nonces = BytesIO(self._seal.random(NONCE * len(records))).read
        following = dict(self.next)
        for record in records:
            type_id, lane, frame = self._framed(record)
            seq = following[lane]
            following[lane] = seq + 1
            sealed = epoch.key.seal_row(lane, seq, type_id, frame, nonces)
            crc = checksum(lane, seq, ordinal, type_id, CURRENT, sealed)
            self._pending.rows.append(JournalRow(lane, seq, ordinal, type_id, CURRENT, sealed, crc))
        for lane, given in following.items():
            if count := given - self.next[lane]:
                self._numbered(lane, count, now)
        epoch.seals += len(records)

    def _numbered(self, lane: Lane, count: int, now: Now) -> None:
        """So many records of a lane got its next numbers."""
        self._cadence[lane].came(now.mono, count)
        if self.cut[lane] == self.next[lane]:
            self._waits_since[lane] = now.mono
        self.next[lane] += count
        self._pending.next[lane] = self.next[lane]
        self._epochs[self._newest[0]].last[lane] = self.next[lane] - 1

    def _framed(self, record: Record) -> tuple[int, Lane, bytes]:
        """Type, lane and the record compressed; where no batch could carry it, what is kept of it."""
        kind, plain = type_of(record.data), to_wire(record)
        frame = self._zstd.record(plain) if len(plain) <= wire_batch.MAX_RECORD else None
        if frame is None or len(frame) > wire_batch.MAX_FRAME:
            return self._framed(too_large(record, kind.name))
        return kind.id, kind.lane, frame

    # --- committing ------------------------------------------------------------------------------------------------

    def _flush(self) -> list[Effect]:
        return self._commit() if self._pending and self._flying is None else []

    def _commit(self, epoch: NewEpoch | None = None) -> list[Effect]:
        pending, self._pending = self._pending, Pending()
        self._number += 1
        self._tickets = pending.tickets
        self._flying = Transaction(
            self._number,
            pending.rows,
            pending.next,
            pending.state,
            [(device, identity, day) for (device, identity), day in pending.identities.items()],
            epoch,
            pending.batches,
            pending.settled,
            pending.evicted,
            pending.dropped,
            pending.facts,
            pending.again,
        )
        return [Commit(self._flying)]

    def _committed(self) -> list[Effect]:
        flown, self._flying = self._flying, None
        if flown is not None:
            self.accepted |= {lane: following - 1 for lane, following in flown.next.items()}
            for lane, last in ((b.lane, b.last) for b in flown.batches):
                self.cut[lane], self._cutting = last + 1, None
            for lane, _, last in flown.dropped:
                self.cut[lane], self._cutting = last + 1, None
        tickets, self._tickets = self._tickets, []
        return [Confirm(tickets), *self._flush()]

    def _reopened(self, view: View) -> list[Effect]:
        self._evicting = False  # what was under way ended with the error
        if self._flying is None:
            return []
        if view.transaction >= self._flying.number:
            return self._committed()
        return [Commit(self._flying)]

    # --- epochs and batches ----------------------------------------------------------------------------------------

    def _open_epoch(self, now: Now) -> NewEpoch:
        ordinal, previous = self._newest[0] + 1, self._newest[1]
        key, header = self._seal.open_epoch(self.identity.stream, previous, self.next, now.wall)
        for older in self._epochs.values():
            older.until = older.until or now.mono + CLOSING_S
        new = NewEpoch(ordinal, header.identity.epoch, header.raw, wire_batch.digest(header.raw))
        self._epochs[ordinal] = OpenEpoch(new, key, now.mono, dict(self.next))
        self._newest = (ordinal, new.epoch)
        return new

    def _tick(self, now: Now, linger_s: float) -> list[Effect]:
        if self._flying is not None:
            return []
        self._drop_keys(now)
        self._tell_refused(now)
        current = self._epochs[self._newest[0]]
        if now.mono - current.opened >= self.policy.epoch_s or current.seals >= MAX_SEALS:
            return self._commit(epoch=self._open_epoch(now))
        linger_s = self.policy.linger_s if self._admission.short else linger_s
        return self._flush() or [*self._make_room(), *self._next_cut(now, linger_s)]

    def _make_room(self) -> list[Effect]:
        """Only batches can go, so rows are cut meanwhile."""
        if self._evicting or not self._admission.short:
            return []
        self._evicting = True
        return [MakeRoom(self._admission.short)]

    def _drop_keys(self, now: Now) -> None:
        """Forgets the keys of ended epochs: at once when everything is cut, at the deadline in any case."""
        for ordinal, epoch in list(self._epochs.items()):
            if epoch.until is None:
                continue
            done = all(self.cut[lane] > last for lane, last in epoch.last.items())
            if done or now.mono >= epoch.until:
                del self._epochs[ordinal]

    def _tell_refused(self, now: Now) -> None:
        """Once there is room again: how many of which types were not taken."""
        if self._admission.open and (refused := self._admission.tell()):
            self._say(Loss(reason="refused", count=sum(refused.values()), types=refused), now)
            self._pending.facts |= self._admission.facts

    def _keep_cut(self, made: Batch | Damaged, now: Now) -> list[Effect]:
        if isinstance(made, Batch):
            self._pending.batches.append(made)
        else:
            self._pending.dropped.append((made.lane, made.first, made.last))
            span = Gap(self.identity.stream, made.lane, made.epoch, made.first, made.last)
            self._say(tombstone("damaged", span, made.types), now)
        return self._flush()

    def _evict(self, batches: Sequence[Evictable], now: Now) -> list[Effect]:
        self._evicting = False
        rows = any(self.cut[lane] < self.next[lane] for lane in (Lane.NORMAL, Lane.BULK))
        self._admission.strained(not batches and not rows)
        return self._bury(batches, "evicted", now)

    def _bury(self, batches: Sequence[Evictable], reason: LossReason, now: Now) -> list[Effect]:
        """Batches go; for each that HQ may not have, a tombstone in the same transaction."""
        for batch in batches:
            self._pending.evicted.append(batch.digest)
            if not batch.settled:
                span = Gap(batch.stream, batch.lane, batch.epoch, batch.first, batch.last)
                self._say(tombstone(reason, span, batch.types), now)
        return self._flush()

    def _say(self, data: Struct, now: Now) -> None:
        """A record of the agent itself."""
        self._take([Record("agent", now.wall, data, int(now.mono * 1000), now.quality)], now)

    def _next_cut(self, now: Now, linger_s: float) -> list[Effect]:
        if self._cutting is not None:
            return []
        first = self._epochs[self._newest[0]].first
        for lane in sorted(Lane, key=self._turn_of.__getitem__):  # who was served last waits for the others
            rows = self.next[lane] - self.cut[lane]
            wait_s = linger_s
            if linger_s == self.policy.linger_s:
                wait_s = self._cadence[lane].linger_s(linger_s, self.policy.thrifty_s)
            live = now.mono - self._waits_since[lane] >= wait_s
            if rows and (live or rows >= self.policy.full or self.cut[lane] < first[lane]):
                self._cutting = lane
                self._turn_of[lane] = max(self._turn_of.values()) + 1
                return [Cut(lane)]
        return []
