"""One transaction of ingest: what is new of many batches goes into the tables, every record once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from cloud_sync.ingest.work import Aside, Batch, Opened, Outcome, Work
from cloud_sync.spans import Span, size
from cloud_sync.wire.epoch import EpochIdentity
from hq.warehouse import clock, coverage, folding, ledger, messages, streams
from hq.warehouse.columns import COMMON, TABLES
from hq.warehouse.explained import Kind, Told, not_held, tombstone
from hq.warehouse.ledger import Identity, StoreKey
from hq.warehouse.messages import SetAside
from hq.warehouse.rows import Misfit, Place, identity, row
from hq.warehouse.source import source_of
from records import to_wire

_FIRST_DAY = date(2000, 1, 1)
_DUPLICATE = list(COMMON).index("duplicate_of")
_TELLING = {"loss", "stream.open", "clock.step"}
Cursor = psycopg.Cursor[Any]
Values = tuple[object, ...]


class Fresh(NamedTuple):
    """A record whose number its batch just claimed."""

    batch: Batch
    seq: int
    opened: Opened

    @property
    def identity(self) -> Identity:
        return self.batch.stream, self.batch.epoch, int(self.batch.lane), self.seq


class Transaction:
    """Runs inside an open transaction of `cursor`.

    careful: a value that PostgreSQL refuses costs its record alone and not the transaction; slower, for the second try
    """

    def __init__(self, cursor: Cursor, work: Work, *, careful: bool) -> None:
        self._cursor = cursor
        self._work = work
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
        rows = list(self._rows(batches, claimed))
        repeats = self._claim_sources([record for record, _ in rows])
        by_kind: dict[str, list[tuple[Fresh, Values]]] = defaultdict(list)
        for record, values in rows:
            first = repeats.get(record.identity)
            told = (*values[:_DUPLICATE], identity(*first), *values[_DUPLICATE + 1 :]) if first else values
            by_kind[record.opened.kind.name].append((record, told))
        for kind in sorted(by_kind):
            self._copy(kind, by_kind[kind])
        return len(repeats)

    def _rows(self, batches: Sequence[Batch], claimed: Mapping[bytes, list[Span]]) -> Iterator[tuple[Fresh, Values]]:
        opened = self._opened({batch.sender.store for batch in batches})
        places: dict[bytes, Place] = {}
        for record in self._fresh(batches, claimed):
            place = places.get(record.batch.digest)
            if place is None:
                first_day = opened.get(record.batch.sender.store, _FIRST_DAY)
                place = places[record.batch.digest] = Place.of(record.batch, first_day, self._work.received)
            try:
                yield record, row(place, record.seq, record.opened, None)
            except Misfit as fault:
                self._set_aside(record, str(fault))

    def _fresh(self, batches: Sequence[Batch], claimed: Mapping[bytes, list[Span]]) -> Iterator[Fresh]:
        for batch in batches:
            for first, last in claimed.get(batch.digest, []):
                for seq in range(first, last + 1):
                    entry = batch.entries[seq]
                    if isinstance(entry, Aside):
                        self._aside.append(SetAside(batch, seq, entry))
                    else:
                        if entry.kind.name in _TELLING:
                            self._heed(batch, seq, entry)
                        yield Fresh(batch, seq, entry)

    def _heed(self, batch: Batch, seq: int, entry: Opened) -> None:
        """What a record says about numbers, streams and clocks."""
        if told := tombstone(batch.sender.store, entry):
            self._told.append(told)
        streams.note_open(self._cursor, batch, entry, self._work.received)
        clock.note(self._cursor, batch, seq, entry, self._work.received)

    def _claim_sources(self, fresh: Sequence[Fresh]) -> dict[Identity, Identity]:
        """For each repeat of an event the record that brought it first."""
        brought: dict[StoreKey, list[Identity]] = defaultdict(list)
        for record in fresh:
            if key := source_of(record.opened):
                brought[record.batch.sender.store, key].append(record.identity)
        if not brought:
            return {}
        earlier, reused = ledger.claim_sources(self._cursor, {key: records[0] for key, records in brought.items()})
        ledger.alert_reused(self._cursor, reused, self._work.received)
        return {
            repeat: earlier.get(key, records[0])
            for key, records in brought.items()
            for repeat in records[key not in earlier :]
        }

    def _opened(self, stores: set[str]) -> dict[str, date]:
        self._cursor.execute("SELECT store, opened FROM store WHERE store = ANY(%s)", [sorted(stores)])
        return dict(self._cursor.fetchall())

    def _copy(self, kind: str, rows: Sequence[tuple[Fresh, Values]]) -> None:
        """One COPY; where that is refused, the half that holds the fault is looked for."""
        if not self._careful:
            self._copy_all(kind, rows)
            return
        try:
            with self._cursor.connection.transaction():
                self._copy_all(kind, rows)
        except psycopg.DataError as fault:
            if len(rows) == 1:
                self._set_aside(rows[0][0], type(fault).__name__)
                return
            middle = len(rows) // 2
            self._copy(kind, rows[:middle])
            self._copy(kind, rows[middle:])

    def _copy_all(self, kind: str, rows: Sequence[tuple[Fresh, Values]]) -> None:
        with self._cursor.copy(_COPY[kind]) as copy:
            for _, values in rows:
                copy.write_row(values)

    def _set_aside(self, record: Fresh, reason: str) -> None:
        entry = Aside(record.opened.kind, reason, to_wire(record.opened.record))
        self._aside.append(SetAside(record.batch, record.seq, entry))


_COPY = {
    kind: sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.names()))
    )
    for kind, table in TABLES.items()
}
