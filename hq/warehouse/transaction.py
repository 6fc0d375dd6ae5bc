"""One transaction of ingest: what is new of many batches goes into the tables, every record once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import psycopg
from msgspec.structs import replace
from psycopg import sql

from cloud_sync.ingest.work import Aside, Batch, Opened, Outcome, Work
from cloud_sync.spans import Span, size
from cloud_sync.wire.epoch import EpochIdentity
from hq.warehouse import clock, coverage, folding, ledger, messages, streams
from hq.warehouse.columns import TABLES
from hq.warehouse.explained import Kind, Told, not_held, tombstone
from hq.warehouse.ledger import Identity
from hq.warehouse.messages import SetAside
from hq.warehouse.rows import FORMAT, Formed, Misfit, Place, columns, formed, identity, line
from hq.warehouse.source import Claim
from records import to_wire

_FIRST_DAY = date(2000, 1, 1)
_PIECE = 1_000  # records: PostgreSQL reads them while the next are made
_TELLING = {"loss", "stream.open", "clock.step"}
Cursor = psycopg.Cursor[Any]


class Fresh(msgspec.Struct, frozen=True, gc=False):
    """A record whose number its batch just claimed. first: the record that brought its event, if another did."""

    batch: Batch
    place: Place
    formed: Formed
    first: str | None = None

    @property
    def identity(self) -> Identity:
        return self.batch.stream, self.batch.epoch, int(self.batch.lane), self.formed.seq


Entries = Mapping[int, Formed | Aside]


def formed_entries(batch: Batch) -> Entries:
    """What a batch holds, ready for the tables; what no table can hold is set aside."""
    return {seq: e if isinstance(e, Aside) else _formed(batch, seq, e) for seq, e in batch.entries.items()}


def _formed(batch: Batch, seq: int, opened: Opened) -> Formed | Aside:
    try:
        return formed(batch, seq, opened)
    except Misfit as fault:
        return aside(opened, str(fault))


def aside(opened: Opened, reason: str) -> Aside:
    """A record that its table refuses."""
    return Aside(opened.kind, reason, to_wire(opened.record))


class Transaction:
    """Runs inside an open transaction of `cursor`.

    formed: gives a batch's `formed_entries`
    careful: a value that PostgreSQL refuses costs its record alone and not the transaction; slower, for the second try
    """

    def __init__(self, cursor: Cursor, work: Work, formed: Callable[[Batch], Entries], *, careful: bool) -> None:
        self._cursor = cursor
        self._work = work
        self._formed = formed
        self._careful = careful
        self._aside: list[SetAside] = []
        self._told: list[Told] = []
        self._fresh_epochs: list[EpochIdentity] = []

    def run(self) -> Outcome:
        """Raises psycopg.Error."""
        received = self._work.received
        unsettled, repeated = self._headers()
        batches = list(self._work.batches())
        stored = duplicates = 0
        fresh: Mapping[bytes, list[Span]] = {}
        if batches:
            fresh = self._claim(batches)
            repeated += len(batches) - len(fresh)
            stored = sum(size(spans) for spans in fresh.values())
            duplicates = self._store(batches, fresh)
            ledger.put_stored(self._cursor, {digest: size(spans) for digest, spans in fresh.items()})
            self._cover(batches, fresh)
        self._told.extend(messages.put_letters(self._cursor, self._work.letters(), received))
        messages.put_beats(self._cursor, self._work.beats(), received)
        messages.put_replies(self._cursor, self._work.replies(), received)
        messages.put_aside(self._cursor, self._aside, received)
        coverage.put(self._cursor, [*self._told, *(told for reply in self._work.replies() for told in not_held(reply))])
        streams.note_forks(self._cursor, self._fresh_epochs, [b for b in batches if fresh.get(b.digest)], received)
        return Outcome(stored, duplicates, len(self._aside), repeated, unsettled)

    def _headers(self) -> tuple[frozenset[bytes], int]:
        unsettled, repeated = set(), 0
        streams.note(self._cursor, self._work.headers(), self._work.beats(), self._work.received)
        for header in sorted(self._work.headers(), key=lambda one: one.header.identity.epoch):
            seen = ledger.put_header(self._cursor, header, self._work.received)
            repeated += seen > 1
            if not seen:
                unsettled.add(header.digest)
            elif seen == 1:
                self._fresh_epochs.append(header.header.identity)
        return frozenset(unsettled), repeated

    def _cover(self, batches: Sequence[Batch], claimed: Mapping[bytes, list[Span]]) -> None:
        for batch in batches:
            lane = (batch.sender.store, batch.stream, int(batch.lane), Kind.STORED)
            self._told.extend(Told(*lane, *span) for span in claimed.get(batch.digest, []))

    def _claim(self, batches: Sequence[Batch]) -> Mapping[bytes, list[Span]]:
        unseen = ledger.put_digests(self._cursor, batches, self._work.received)
        if not unseen:
            return {}
        fresh = [batch for batch in batches if batch.digest in unseen]
        return ledger.claim(self._cursor, fresh, folding.folded(self._cursor, fresh, self._work.received))

    def _store(self, batches: Sequence[Batch], claimed: Mapping[bytes, list[Span]]) -> int:
        """How many of the records a source had brought before. What no table can hold claims no event."""
        fresh = list(self._fresh(batches, claimed))
        repeats = self._claim_sources(fresh)
        for place, first in repeats.items():
            fresh[place] = replace(fresh[place], first=identity(*first))
        by_kind: dict[str, list[Fresh]] = defaultdict(list)
        for record in fresh:
            by_kind[record.formed.opened.kind.name].append(record)
        for kind in sorted(by_kind):
            self._copy(kind, by_kind[kind])
        return len(repeats)

    def _fresh(self, batches: Sequence[Batch], claimed: Mapping[bytes, list[Span]]) -> Iterator[Fresh]:
        opened = self._opened({batch.sender.store for batch in batches})
        for batch in batches:
            place = Place.of(batch, opened.get(batch.sender.store, _FIRST_DAY), self._work.received)
            entries = self._formed(batch) if claimed.get(batch.digest) else {}
            for first, last in claimed.get(batch.digest, ()):
                for seq in range(first, last + 1):
                    entry = entries[seq]
                    if isinstance(entry, Aside):
                        self._aside.append(SetAside(batch, seq, entry))
                        continue
                    if entry.opened.kind.name in _TELLING:
                        self._heed(batch, seq, entry.opened)
                    yield Fresh(batch, place, entry)

    def _heed(self, batch: Batch, seq: int, entry: Opened) -> None:
        """What a record says about numbers, streams and clocks."""
        if told := tombstone(batch.sender.store, entry):
            self._told.append(told)
        streams.note_open(self._cursor, batch, entry, self._work.received)
        clock.note(self._cursor, batch, seq, entry, self._work.received)

    def _claim_sources(self, fresh: Sequence[Fresh]) -> dict[int, Identity]:
        """For each repeat of an event, by its place in `fresh`, the record that brought it first."""
        first: dict[bytes, int] = {}
        claims: dict[bytes, Claim] = {}
        again: list[tuple[int, bytes]] = []
        for place, record in enumerate(fresh):
            if claim := record.formed.claim:
                if first.setdefault(claim.event, place) == place:
                    claims[claim.event] = claim
                else:
                    again.append((place, claim.event))
        if not first:
            return {}
        earlier, reused = ledger.claim_sources(self._cursor, claims)
        ledger.alert_reused(self._cursor, reused, self._work.received)
        return {first[event]: who for event, who in earlier.items()} | {
            place: earlier.get(event) or fresh[first[event]].identity for place, event in again
        }

    def _opened(self, stores: set[str]) -> dict[str, date]:
        self._cursor.execute("SELECT store, opened FROM store WHERE store = ANY(%s)", [sorted(stores)])
        return dict(self._cursor.fetchall())

    def _copy(self, kind: str, records: Sequence[Fresh]) -> None:
        """One COPY; where that is refused, the half that holds the fault is looked for."""
        if not self._careful:
            self._copy_all(kind, records)
            return
        try:
            with self._cursor.connection.transaction():
                self._copy_all(kind, records)
        except psycopg.DataError as fault:
            if len(records) == 1:
                (one,) = records
                self._aside.append(SetAside(one.batch, one.formed.seq, aside(one.formed.opened, type(fault).__name__)))
                return
            middle = len(records) // 2
            self._copy(kind, records[:middle])
            self._copy(kind, records[middle:])

    def _copy_all(self, kind: str, records: Sequence[Fresh]) -> None:
        with self._cursor.copy(_COPY[kind]) as copy:
            for at in range(0, len(records), _PIECE):
                piece = records[at : at + _PIECE]
                copy.write(b"".join([line(record.place, record.formed, record.first) for record in piece]))


_COPY = {
    kind: sql.SQL("COPY {} ({}) FROM STDIN " + FORMAT).format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, columns(table)))
    )
    for kind, table in TABLES.items()
}
