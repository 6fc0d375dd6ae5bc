"""Whether a buffer, opened after a crash, holds what was promised, and nothing else."""

from __future__ import annotations

import gc
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.epoch_key import EpochKey, open_epoch
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.batch import Row
from edge_agent.buffer import BufferError
from edge_agent.buffer.outbox import HEADER_TABLES
from edge_agent.buffer.transaction import lane_seq, row_id
from records import Lane, from_wire, type_by_id
from records.types import Loss, StreamOpen
from tests.faults.store_side import Query, TestBox, open_file
from tests.faults.supply import DEVICE, Supply, fingerprint

Place = int  # lane and number, as the journal's ids have them
Rows = tuple[tuple[Any, ...], ...]

OPENING = row_id(Lane.VITAL, 1)


class Promise(NamedTuple):
    """What was said before the crash. confirmed, offered: submissions up to these numbers; gone: need not be there."""

    confirmed: int
    offered: int
    gone: frozenset[Place]


@dataclass
class Part:
    """Some numbers, what the source's records at them are told by, and the numbers that tombstones among them name."""

    places: set[Place] = field(default_factory=set)
    prints: set[bytes] = field(default_factory=set)
    gone: set[Place] = field(default_factory=set)

    def take(self, part: Part) -> None:
        self.places |= part.places
        self.prints |= part.prints
        self.gone |= part.gone


class Contents(NamedTuple):
    """Everything in a buffer that something was promised of; `headers` are its copies, one after another."""

    epochs: Rows
    headers: tuple[Rows, ...]
    journal: Rows
    outbox: Rows
    lanes: Rows
    state: Rows

    @classmethod
    def read(cls, query: Query) -> Contents:
        return cls(
            tuple(query("SELECT ordinal, epoch, digest FROM epoch")),
            tuple(tuple(query(f"SELECT ordinal, raw FROM {table}")) for table in HEADER_TABLES),  # noqa: S608 (our own names)
            tuple(query("SELECT id, epoch, type, dictionary, sealed FROM journal ORDER BY id")),
            tuple(query("SELECT digest, payload FROM outbox")),
            tuple(query("SELECT lane, next FROM lane")),
            tuple(query("SELECT device, value FROM state")),
        )


@dataclass
class Audit:
    """Looks into buffers of one stream. What was opened once with HQ's key is known again by its bytes, and so is a
    whole buffer of which the same was promised.

    faults: how often which promise was found broken; opened: records decrypted; worst_loss, evicted: records in one
    state that were lost, or that had left
    """

    box: TestBox
    supply: Supply
    faults: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    opened: int = 0
    worst_loss: int = 0
    evicted: int = 0

    def __post_init__(self) -> None:
        self._seal = self.box.seal
        self._zstd = Zstd()
        self._keys: dict[bytes, EpochKey] = {}
        self._rows: dict[Place, tuple[tuple[Any, ...], Part]] = {}
        self._batches: dict[bytes, tuple[bytes, Part]] = {}
        self._numbering: dict[Place, bytes] = {}
        self._places: dict[bytes, Place] = {}
        self._tombstones: dict[Place, set[Place]] = {}
        self._excused_prints: dict[frozenset[Place], frozenset[bytes]] = {}
        self._good: set[int] = set()
        self._source = self.supply.upto(len(self.supply))
        self._upto = lru_cache(64)(self.supply.upto)

    @property
    def tombstones(self) -> int:
        """How many were seen that name numbers."""
        return sum(bool(named) for named in self._tombstones.values())

    def look(self, folder: Path, promise: Promise, where: str) -> bool:
        """Opens the buffer as the agent does; whether it holds what was promised. Leaves the files as they are."""
        found = list(self._broken(folder, promise))
        if found:
            gc.collect()  # a connection that failed to open is not left holding its lock
        for fault, said in found:
            self.faults[fault] += 1
            if len(self.examples) < 20:
                self.examples.append(f"{where}: {fault}: {said}")
        return not found

    def _broken(self, folder: Path, promise: Promise) -> Iterator[tuple[str, str]]:
        try:
            buffer, reason, query = open_file(folder, self._seal)
        except (BufferError, LookupError, TypeError) as fault:
            yield "corrupt", str(fault)
            return
        try:
            if reason is not None and promise.confirmed:
                yield ("corrupt" if reason == "salvaged" else "lost"), f"the stream is {reason}"
            else:
                yield from self._contents(query, promise)
        except (BufferError, ValueError, LookupError, TypeError) as fault:
            yield "corrupt", repr(fault)
        finally:
            with no_writes():
                buffer.close()

    def _contents(self, query: Query, promise: Promise) -> Iterator[tuple[str, str]]:
        if (checked := query("PRAGMA quick_check")) != [("ok",)]:
            yield "corrupt", str(checked[:3])
        contents = Contents.read(query)
        same = hash((contents, promise))
        if same not in self._good:
            found = list(self._weighed(contents, promise))
            yield from found
            self._good |= set() if found else {same}

    def _weighed(self, contents: Contents, promise: Promise) -> Iterator[tuple[str, str]]:
        yield from self._headers(contents)
        kept, count = Part(), 0
        for part in (*self._journal(contents), *self._outbox(contents)):
            count += len(part.places)
            kept.take(part)
        if count != len(kept.places):
            yield "phantom", f"{count - len(kept.places)} numbers are there twice"
        excused = self._excused(kept, promise)
        yield from self._numbers(contents, kept, excused)
        yield from self._records(contents, kept, promise, excused)

    def _excused(self, kept: Part, promise: Promise) -> frozenset[Place]:
        """Numbers that need not be there: HQ has them, or a tombstone names them that is there or that HQ has."""
        said = {place for tombstone in self._tombstones.keys() & promise.gone for place in self._tombstones[tombstone]}
        return promise.gone | said | kept.gone if said or kept.gone else promise.gone

    def _headers(self, contents: Contents) -> Iterator[tuple[str, str]]:
        copies = [dict(copy) for copy in contents.headers]
        for ordinal, epoch, digest in contents.epochs:
            raws = {copy.get(ordinal) for copy in copies}
            if len(raws) != 1 or None in raws:
                yield "header", f"the copies of header {ordinal} are not three of one"
            elif epoch not in self._keys:
                self._open_header(epoch, digest, raws.pop())

    def _open_header(self, epoch: bytes, digest: bytes, raw: bytes) -> None:
        header = wire_epoch.parse(raw)
        header.verify(self.box.key.public_key())
        if wire_batch.digest(raw) != digest or header.identity.epoch != epoch:
            raise ValueError("a header is not its epoch's")
        self._keys[epoch] = open_epoch(header, self.box.hq)

    def _journal(self, contents: Contents) -> Iterator[Part]:
        epochs = {ordinal: epoch for ordinal, epoch, _ in contents.epochs}
        for row in contents.journal:
            known = self._rows.get(row[0])
            if known is None or known[0] != row:
                lane, seq = lane_seq(row[0])
                plain = self._keys[epochs[row[1]]].open_row(lane, seq, Row(*row[2:]), self._zstd)
                known = self._rows[row[0]] = row, self._part(row[0], [(row[2], plain)])
            yield known[1]

    def _outbox(self, contents: Contents) -> Iterator[Part]:
        for digest, payload in contents.outbox:
            known = self._batches.get(digest)
            if known is None or known[0] != payload:
                known = self._batches[digest] = payload, self._open_batch(digest, payload)
            yield known[1]

    def _open_batch(self, digest: bytes, payload: bytes) -> Part:
        header, body = wire_batch.parse(payload)
        if wire_batch.digest(payload) != digest:
            raise ValueError("a batch is not what its digest says")
        records = self._keys[header.epoch].open_batch(header, body, self._zstd)
        return self._part(row_id(header.lane, header.first), records)

    def _part(self, first: Place, records: list[tuple[int, bytes]]) -> Part:
        """Records from `first` on, opened; a number given twice, a record with two numbers or one of nobody is said."""
        part = Part(set(range(first, first + len(records))))
        for place, (type_id, plain) in enumerate(records, first):
            self.opened += 1
            print = fingerprint(plain)
            if place == OPENING and print in self._source:
                raise ValueError("the stream does not begin by saying what it is")
            if print in self._source:
                part.prints.add(print)
            else:
                self._tombstones[place] = _tombstone(type_id, plain)
                part.gone |= self._tombstones[place]
            if self._numbering.setdefault(place, print) != print or self._places.setdefault(print, place) != place:
                raise ValueError(f"{lane_seq(place)} and {lane_seq(self._places[print])} have one record, or two")
        return part

    def _numbers(self, contents: Contents, kept: Part, excused: frozenset[Place]) -> Iterator[tuple[str, str]]:
        given = _given(contents.lanes)
        absent = given - kept.places
        self.evicted = max(self.evicted, len(absent))
        if missing := absent - excused:
            yield "gap", f"no record at {sorted(map(lane_seq, missing))[:5]} and {len(missing)} in all"
        if beyond := kept.places - given:
            yield "phantom", f"records at numbers never given: {sorted(map(lane_seq, beyond))[:5]}"

    def _records(
        self, contents: Contents, kept: Part, promise: Promise, excused: frozenset[Place]
    ) -> Iterator[tuple[str, str]]:
        """The cursor says which submissions are in: all of those, and nothing of any other."""
        cursor = int(dict(contents.state).get(DEVICE, 0))
        if lost := self._absent(promise.confirmed, kept, excused):
            self.worst_loss = max(self.worst_loss, len(lost))
        if lost or cursor < promise.confirmed:
            yield "lost", f"{len(lost)} of submissions up to {promise.confirmed}; the cursor is {cursor}"
        elif torn := self._absent(cursor, kept, excused):
            yield "torn", f"{len(torn)} records of submissions up to {cursor} are missing"
        if cursor > promise.offered or kept.prints - self._upto(cursor):
            yield "phantom", f"records beyond submission {cursor} of {promise.offered}"

    def _absent(self, upto: int, kept: Part, excused: frozenset[Place]) -> set[bytes]:
        """Records of submissions up to this one that are not there and should be."""
        absent = self._upto(upto) - kept.prints - self._prints(excused)
        return {print for print in absent if self._places.get(print) not in excused}

    def _prints(self, excused: frozenset[Place]) -> frozenset[bytes]:
        """Records at these numbers, as far as they were seen when this was first asked."""
        if excused not in self._excused_prints:
            found = frozenset(self._numbering[place] for place in excused if place in self._numbering)
            self._excused_prints = {excused: found}
        return self._excused_prints[excused]


def _tombstone(type_id: int, plain: bytes) -> set[Place]:
    """The numbers that a record of the agent's own says are gone; `ValueError` when it is none of the agent's."""
    kind = type_by_id(type_id)
    data = from_wire(kind, plain).data if kind else None
    if isinstance(data, StreamOpen):
        return set()
    if not isinstance(data, Loss):
        raise ValueError("a record that nobody submitted")
    if data.lane is None or data.first is None or data.last is None:
        return set()
    return set(range(row_id(Lane(data.lane), data.first), row_id(Lane(data.lane), data.last) + 1))


@lru_cache(64)
def _given(lanes: Rows) -> frozenset[Place]:
    """Every number given, from the next one of each lane."""
    return frozenset(row_id(Lane(lane), seq) for lane, following in lanes for seq in range(1, following))


@contextmanager
def no_writes() -> Iterator[None]:
    """Closing a database writes its log back; held off, the files stay as they were found. The limit is an error to
    who writes, not a signal: Python ignores SIGXFSZ."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
