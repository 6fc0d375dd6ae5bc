"""The warehouse in memory, for the deterministic world and for tests; passes the same suite as PostgreSQL's."""

from __future__ import annotations

from collections.abc import Set
from datetime import date
from typing import NamedTuple

from cloud_sync.ingest.work import Aside, Batch, Beat, BoxName, Header, Known, Letter, Opened, Outcome, Work
from cloud_sync.wire.heartbeat import Heartbeat
from hq.warehouse.rows import Misfit, Place, identity, row
from hq.warehouse.source import SourceKey, source_of
from hq.warehouse.spans import Span, gaps, spans_of

Lane = tuple[bytes, bytes, int]  # stream, epoch, lane


class Stored(NamedTuple):
    """A record at HQ. `values` as its table would hold them."""

    identity: str
    opened: Opened
    duplicate_of: str | None
    values: tuple[object, ...]


class Heard(NamedTuple):
    """The last a box said. body: its last heartbeat; session, seq: the newest heard of, by a last will too."""

    body: Heartbeat
    session: int
    seq: int
    online: bool


class MemoryWarehouse:
    """boxes: public key by (store, box)."""

    def __init__(self, boxes: dict[BoxName, bytes], opened: date) -> None:
        self.boxes = boxes
        self.opened = opened
        self.epochs: dict[bytes, Header] = {}
        self.batches: dict[bytes, int] = {}
        self.claims: dict[Lane, list[Span]] = {}
        self.rows: list[Stored] = []
        self.aside: dict[str, Aside] = {}
        self.letters: dict[tuple[BoxName, bytes], Letter] = {}
        self.heard: dict[BoxName, Heard] = {}
        self.alerts: set[tuple[str, str]] = set()
        self._sources: dict[tuple[str, SourceKey], str] = {}
        self._contents: dict[tuple[str, date, str, str], set[bytes]] = {}

    def look_up(self, boxes: Set[BoxName], epochs: Set[bytes]) -> Known:
        found = {epoch: self.epochs[epoch].header.raw if epoch in self.epochs else None for epoch in epochs}
        return Known({name: self.boxes.get(name) for name in boxes}, found)

    def commit(self, work: Work) -> Outcome:
        stored = duplicates = set_aside = repeated = 0
        unsettled = set()
        for header in work.headers():
            known = self.epochs.setdefault(header.header.identity.epoch, header)
            if known.header.identity != header.header.identity:
                unsettled.add(header.digest)
            elif known is not header:
                repeated += 1
        for batch in work.batches():
            self.batches[batch.digest] = self.batches.get(batch.digest, 0) + 1
            if self.batches[batch.digest] > 1:
                repeated += 1
                continue
            counts = [self._store(work, batch, seq) for seq in self._claim(batch)]
            stored += len(counts)
            duplicates += counts.count("duplicate")
            set_aside += counts.count("aside")
        for letter in work.letters():
            self.letters[(letter.sender.store, letter.sender.box), letter.digest] = letter
        for beat in work.beats():
            self._hear(beat)
        return Outcome(stored, duplicates, set_aside, repeated, frozenset(unsettled))

    def _claim(self, batch: Batch) -> list[int]:
        """The numbers that this batch brings."""
        taken = self.claims.setdefault((batch.stream, batch.epoch, batch.lane), [])
        fresh = [gap for span in spans_of(batch.entries) for gap in gaps(span, taken)]
        taken.extend(fresh)
        return [seq for first, last in fresh for seq in range(first, last + 1)]

    def _store(self, work: Work, batch: Batch, seq: int) -> str:
        entry, name = batch.entries[seq], identity(batch.stream, batch.epoch, batch.lane, seq)
        if isinstance(entry, Aside):
            self.aside[name] = entry
            return "aside"
        place = Place.of(batch, self.opened, work.received)
        try:
            row(place, seq, entry, None)
        except Misfit as fault:
            self.aside[name] = Aside(entry.kind, str(fault), b"")
            return "aside"
        first = self._claim_source(batch.sender.store, entry, name)
        self.rows.append(Stored(name, entry, first, row(place, seq, entry, first)))
        return "duplicate" if first else "new"

    def _claim_source(self, store: str, entry: Opened, name: str) -> str | None:
        """The record that brought the same event first, None for the first."""
        key = source_of(entry)
        if key is None:
            return None
        first = self._sources.setdefault((store, key), name)
        contents = self._contents.setdefault((store, *key.event), set())
        contents.add(key.content)
        if len(contents) > 1:
            self.alerts.add((store, f"{key.type}/{key.business_day}/{key.source_id}"))
        return None if first == name else first

    def _hear(self, beat: Beat) -> None:
        name, body = (beat.sender.store, beat.sender.box), beat.body
        last = self.heard.get(name)
        if isinstance(body, Heartbeat):
            if last is None or _newer(body, last):
                self.heard[name] = Heard(body, body.session, body.seq, online=True)
        elif last is not None and body.session >= last.session:
            seq = last.seq if body.session == last.session else 0
            self.heard[name] = Heard(last.body, body.session, seq, online=False)


def _newer(body: Heartbeat, last: Heard) -> bool:
    """A fresh buffer file begins its sessions anew, so another stream goes by the time."""
    if body.stream != last.body.stream:
        return body.at_us > last.body.at_us
    return (body.session, body.seq) > (last.session, last.seq)
