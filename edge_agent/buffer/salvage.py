"""What can be saved of a set-aside buffer file: sealed rows and batches, the headers of their epochs, and the state.

The file is read page by page (`pages`), so that a damaged page costs what stood on it. Rows are packed at once into
batches of sealed rows, since their numbers are those of the old stream. A batch is whole when its digest is right, a
row when its checksum is, a header when the box's signature is. Numbers between those found that no row or batch has are
named, so that HQ can tell what it misses from what it already has.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud_sync import spans as ranges
from cloud_sync.spans import Span
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.reader import WireError
from edge_agent.buffer.pages import Pages, Row
from edge_agent.buffer.schema import PAGE, lane_sum
from edge_agent.buffer.transaction import TRANSACTION, Batch, JournalRow, NewEpoch, lane_seq
from records import Lane

_STREAM, _SECRET = 16, 32
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)  # SQLite may say what is wrong in words that are no text


class Gap(NamedTuple):
    """Numbers that were not found: lost, or gone before with their receipt."""

    stream: bytes
    lane: Lane
    epoch: bytes
    first: int
    last: int


class Place(NamedTuple):
    """A whole batch, and where its bytes stand in the file."""

    digest: bytes
    lane: Lane
    epoch: int
    first: int
    last: int
    oldest_us: int
    pages: Pages
    page: int
    at: int


class Salvaged(NamedTuple):
    """All that was found; of batches where they stand, since together they may be larger than the memory.

    secret: keyed the hashes in `seen`; epochs: by the ordinal of the old file; settled: digests of batches with a
    receipt; next: the next number of each lane, where that is known; facts: counters, with that of transactions
    """

    stream: bytes | None
    secret: bytes | None
    epochs: dict[int, NewEpoch]
    rows: list[JournalRow]
    batches: list[Place]
    settled: set[bytes]
    state: dict[tuple[str, str], bytes | None]
    seen: list[tuple[str, bytes, int]]
    next: dict[Lane, int]
    facts: dict[str, int]

    def read(self) -> Iterator[Batch]:
        """The batches with their bytes."""
        for batch in self.batches:
            payload = batch.pages.row(batch.page, batch.at).values[-1]
            if isinstance(payload, bytes):
                yield Batch(*batch[:6], payload)

    def joined(self, other: Salvaged) -> Salvaged:
        """With what another file of the same stream gives. What drivers keep, and counters, are those of the file with
        the later transaction where it has them: this one, unless it went back to an old image."""
        rows = {(row.lane, row.seq): row for row in (*other.rows, *self.rows)}
        batches = {batch.digest: batch for batch in (*other.batches, *self.batches)}
        behind = self.facts.get(TRANSACTION, inf) < other.facts.get(TRANSACTION, 0)
        older, newer = (self, other) if behind else (other, self)
        following = {lane: max(each.next.get(lane, 0) for each in (self, other)) for lane in other.next | self.next}
        return Salvaged(
            self.stream or other.stream,
            self.secret or other.secret,
            other.epochs | self.epochs,
            list(rows.values()),
            list(batches.values()),
            self.settled | other.settled,
            older.state | newer.state,
            [*self.seen, *other.seen],
            following,
            older.facts | newer.facts,
        ).tidied()

    def tidied(self) -> Salvaged:
        """Without what no held epoch has, and without rows that are in a batch."""
        streams = self.streams()
        batches = [batch for batch in self.batches if batch.epoch in streams]
        spans: dict[tuple[bytes, Lane], list[Span]] = defaultdict(list)
        for batch in batches:
            spans[streams[batch.epoch], batch.lane].append((batch.first, batch.last))
        cut = {key: ranges.merged(each) for key, each in spans.items()}
        rows = [
            row
            for row in sorted(self.rows)
            if row.epoch in streams and not ranges.covers(cut.get((streams[row.epoch], row.lane), []), row.seq)
        ]
        return self._replace(batches=batches, rows=rows)

    def streams(self) -> dict[int, bytes]:
        """The stream of each epoch, by ordinal."""
        return {ordinal: wire_epoch.parse(new.header).identity.stream for ordinal, new in self.epochs.items()}


@dataclass
class _Heap:
    """What the pages give, in the order in which they stand."""

    pages: Pages
    identity: tuple[bytes | None, bytes | None] = (None, None)
    headers: Counter[NewEpoch] = field(default_factory=Counter)
    rows: dict[tuple[Lane, int], JournalRow] = field(default_factory=dict)
    batches: dict[bytes, Place] = field(default_factory=dict)
    settled: set[bytes] = field(default_factory=set)
    next: dict[Lane, int] = field(default_factory=dict)


def salvage(path: Path, box: Ed25519PublicKey) -> Salvaged:
    """Reads a file that no process has open. Whatever its bytes are, this ends and gives what makes sense."""
    heap = _Heap(Pages(path, PAGE))
    for row in heap.pages.rows():
        _sort_in(row, heap, box)
    stream, secret = heap.identity
    kept = _kept(path)
    found = Salvaged(
        stream,
        secret,
        _epochs(heap.headers),
        list(heap.rows.values()),
        list(heap.batches.values()),
        heap.settled,
        kept.state,
        kept.seen,
        heap.next,
        kept.facts,
    ).tidied()
    return found._replace(stream=_stream(stream, found.streams()))


def _epochs(headers: Counter[NewEpoch]) -> dict[int, NewEpoch]:
    """Each epoch once, under the ordinal that most copies of its header have."""
    best = {new.epoch: new for new, _ in reversed(headers.most_common())}
    return {new.ordinal: new for new in best.values()}


def _stream(said: bytes | None, signed: dict[int, bytes]) -> bytes | None:
    """Which stream the file is: one of those its epochs' headers name, unless it has no epoch of its own yet."""
    newest = max(signed, default=0)
    if said in signed.values() or (said and newest <= 0):
        return said
    return signed.get(newest)


def _sort_in(row: Row, heap: _Heap, box: Ed25519PublicKey) -> None:
    """A table is known by its columns."""
    match row.values:
        case (None, bytes() as raw) if raw.startswith(wire_epoch.MAGIC):
            if new := _epoch(row.rowid, raw, box):
                heap.headers[new] += 1
        case (None, int() as epoch, int() as kind, int() as words, bytes() as sealed, int() as crc):
            _keep_row(row.rowid, (epoch, kind, words, sealed, crc), heap)
        case (None, bytes() as digest, int(), int(), int(), int(), _, int(), settled, bytes() as content):
            if wire_batch.digest(content) == digest and (place := _place(row, content, heap.pages)):
                heap.batches[digest] = place
                if settled:
                    heap.settled.add(digest)
        case (None, int() as following, int() as first_uncut, int() as total) if row.rowid in list(Lane):
            if total == lane_sum(row.rowid, following, first_uncut):
                heap.next[Lane(row.rowid)] = following
        case (None, bytes() as stream, _, bytes(), bytes(), bytes() as secret):
            if (len(stream), len(secret)) == (_STREAM, _SECRET):
                heap.identity = stream, secret
        case _:
            pass


def _place(row: Row, content: bytes, pages: Pages) -> Place | None:
    """Which numbers are in it its content says, which is whole; columns may not be."""
    _, digest, _, epoch, _, _, oldest, *_ = cast(tuple[Any, ...], row.values)
    try:
        header, _ = wire_batch.parse(content)
    except WireError:
        return None
    return Place(digest, header.lane, epoch, header.first, header.last, oldest or 0, pages, row.page, row.at)


def _epoch(ordinal: int, raw: bytes, box: Ed25519PublicKey) -> NewEpoch | None:
    try:
        header = wire_epoch.parse(raw)
        header.verify(box)
    except WireError:
        return None
    return NewEpoch(ordinal, header.identity.epoch, raw, wire_batch.digest(raw))


def _keep_row(id_: int, rest: tuple[int, int, int, bytes, int], heap: _Heap) -> None:
    if id_ >> 56 not in list(Lane):
        return
    lane, seq = lane_seq(id_)
    row = JournalRow(lane, seq, *rest)
    if row.whole:
        heap.rows[lane, seq] = row


def gaps(found: Salvaged) -> list[Gap]:
    """What of the held epochs' numbers was not found, of the file's stream and of those before it.

    An epoch's header is held as long as anything of it is, so what came before the oldest is at HQ. Within, a number
    that was not found is lost, or went with its receipt: HQ knows which.
    """
    in_order = [found.epochs[ordinal] for ordinal in sorted(found.epochs)]  # of several with the same first numbers
    identities = [wire_epoch.parse(new.header).identity for new in in_order]  # only the last gave any
    streams = found.streams()
    known: dict[tuple[bytes, Lane], list[Span]] = defaultdict(list)
    for row in found.rows:
        known[streams[row.epoch], row.lane].append((row.seq, row.seq))
    for batch in found.batches:
        known[streams[batch.epoch], batch.lane].append((batch.first, batch.last))
    holes: list[Gap] = []
    for stream in sorted(set(streams.values())):
        own = sorted((each for each in identities if each.stream == stream), key=lambda each: each.first)
        for lane in Lane:
            following = found.next.get(lane, 0) if stream == found.stream else 0
            holes += _of_lane(lane, ranges.merged(known[stream, lane]), own, following)
    return holes


def _of_lane(lane: Lane, spans: list[Span], epochs: list[wire_epoch.EpochIdentity], following: int) -> Iterator[Gap]:
    """epochs: of one stream, in order; following: the lane's next number, 0 where it is not known."""
    begin = epochs[0].first[lane]
    end = max(following, *(last + 1 for _, last in spans), begin)
    starts = [epoch.first[lane] for epoch in epochs]
    for first, last in ranges.gaps((begin, end - 1), spans):
        for epoch, start, next_start in zip(epochs, starts, [*starts[1:], end], strict=True):
            low, high = max(first, start), min(last, next_start - 1)
            if low <= high:
                yield Gap(epoch.stream, lane, epoch.epoch, low, high)


@dataclass
class _Kept:
    """What only SQLite can read, since it stands in tables without row ids."""

    state: dict[tuple[str, str], bytes | None] = field(default_factory=dict)
    seen: list[tuple[str, bytes, int]] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)


def _kept(path: Path) -> _Kept:
    """As far as SQLite can still read it; without it drivers read their sources anew, and counters begin anew."""
    kept = _Kept()
    with suppress(*_UNREADABLE), closing(sqlite3.connect(path)) as db:  # not for reading alone: a log keeps that out
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        with suppress(*_UNREADABLE):
            found = db.execute("SELECT device, key, value FROM state")
            kept.state.update({(device, key): value for device, key, value in found})
        with suppress(*_UNREADABLE):
            kept.seen += db.execute("SELECT device, identity, day FROM seen")
        with suppress(*_UNREADABLE):
            whole = "SELECT name, value FROM fact WHERE typeof(name) = 'text' AND typeof(value) = 'integer'"
            kept.facts.update(db.execute(whole))
    return kept
