"""The warehouse in memory, for the deterministic world and for tests; passes the same suite as PostgreSQL's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from datetime import date, datetime
from typing import NamedTuple

from cloud_sync.ingest.work import Aside, Batch, Beat, BoxName, Header, Known, Letter, Opened, Outcome, Work
from cloud_sync.spans import Span, gaps, merged, spans_of
from cloud_sync.wire.epoch import NO_EPOCH, EpochIdentity
from cloud_sync.wire.heartbeat import Heartbeat
from hq.warehouse.clock import Repair, corrected, repair_of
from hq.warehouse.explained import Kind, Told, not_held, refused_batch, tombstone
from hq.warehouse.rows import Misfit, Place, formed, identity, line
from hq.warehouse.runs import Run, follow, noticed
from hq.warehouse.said import Said, said
from hq.warehouse.source import Claim, SourceKey
from hq.warehouse.standing import Epoch, Mark, Standing, Stream, accepted, mark
from records import Lane as LaneNumber
from records.types import Loss, StreamOpen

Lane = tuple[bytes, bytes, int]  # stream, epoch, lane


class Stored(NamedTuple):
    """A record at HQ. line: as it would go into its table."""

    identity: str
    opened: Opened
    duplicate_of: str | None
    line: bytes


class Heard(NamedTuple):
    """The last a box said. body: its last heartbeat; online: unless its last will came since."""

    body: Heartbeat
    online: bool
    received: datetime


class Opening(NamedTuple):
    """What a stream's first record says of it."""

    previous: bytes | None
    reason: str


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
        self.noticed: dict[tuple[str, str, str], tuple[str, ...]] = {}  # store, rule, subject: what it is about
        self.streams: dict[bytes, Said] = {}
        self.openings: dict[bytes, Opening] = {}
        self.ranges: dict[tuple[str, bytes, int, Kind], list[Span]] = {}
        self.marks: dict[BoxName, list[Mark]] = {}
        self.runs: dict[BoxName, list[Run]] = {}
        self.forked: set[bytes] = set()
        self.refused: Counter[BoxName] = Counter()
        self.repairs: dict[tuple[str, str, bytes], list[Repair]] = {}
        self._after: dict[bytes, list[EpochIdentity]] = {}  # epochs by the one before them
        self._epoch_heard: dict[bytes, tuple[int, ...]] = {}
        self._sources: dict[tuple[str, SourceKey], str] = {}
        self._contents: dict[tuple[str, date, str, str], set[bytes]] = {}

    def look_up(self, boxes: Set[BoxName], epochs: Set[bytes]) -> Known:
        found = {epoch: self.epochs[epoch].header.raw if epoch in self.epochs else None for epoch in epochs}
        return Known({name: self.boxes.get(name) for name in boxes}, found)

    def commit(self, work: Work) -> Outcome:
        stored = duplicates = set_aside = repeated = 0
        unsettled = set()
        for stream, one in said(work.headers(), work.beats()).items():
            self._note(stream, one)
        fresh: list[EpochIdentity] = []
        claimed: list[Batch] = []
        for header in work.headers():
            known = self.epochs.setdefault(header.header.identity.epoch, header)
            if known.header.identity != header.header.identity:
                unsettled.add(header.digest)
            elif known is not header:
                repeated += 1
            else:
                fresh.append(header.header.identity)
                self._after.setdefault(header.header.identity.previous, []).append(header.header.identity)
        for batch in work.batches():
            self.batches[batch.digest] = self.batches.get(batch.digest, 0) + 1
            if self.batches[batch.digest] > 1:
                repeated += 1
                continue
            brought = self._claim(batch)
            counts = [self._store(work, batch, seq) for seq in brought]
            claimed += [batch] if brought else []
            stored += len(counts)
            duplicates += counts.count("duplicate")
            set_aside += counts.count("aside")
        for letter in work.letters():
            self._put_letter(letter)
        for beat in work.beats():
            self._hear(beat, work.received)
        self._cover(told for reply in work.replies() for told in not_held(reply))
        self._note_forks(fresh, claimed)
        return Outcome(stored, duplicates, set_aside, repeated, frozenset(unsettled))

    def _claim(self, batch: Batch) -> list[int]:
        """The numbers that this batch brings."""
        taken = self.claims.setdefault((batch.stream, batch.epoch, batch.lane), [])
        fresh = [gap for span in spans_of(batch.entries) for gap in gaps(span, taken)]
        taken.extend(fresh)
        lane = (batch.sender.store, batch.stream, int(batch.lane), Kind.STORED)
        self._cover(Told(*lane, *span) for span in fresh)
        return [seq for first, last in fresh for seq in range(first, last + 1)]

    def _store(self, work: Work, batch: Batch, seq: int) -> str:
        entry, name = batch.entries[seq], identity(batch.stream, batch.epoch, batch.lane, seq)
        if isinstance(entry, Aside):
            self.aside[name] = entry
            return "aside"
        try:
            ready = formed(batch, seq, entry)
        except Misfit as fault:
            self.aside[name] = Aside(entry.kind, str(fault), b"")
            return "aside"
        self._heed(batch, entry)
        first = self._claim_source(ready.claim, name)
        place = Place.of(batch, self.opened, work.received)
        self.rows.append(Stored(name, entry, first, line(place, ready, first)))
        return "duplicate" if first else "new"

    def _claim_source(self, claim: Claim | None, name: str) -> str | None:
        """The record that brought the same event first, None for the first."""
        if claim is None:
            return None
        store, key = claim.store, claim.key
        first = self._sources.setdefault((store, key), name)
        contents = self._contents.setdefault((store, *key.event), set())
        contents.add(key.content)
        if len(contents) > 1:
            self.alerts.add((store, f"{key.type}/{key.business_day}/{key.source_id}"))
        return None if first == name else first

    def _hear(self, beat: Beat, received: datetime) -> None:
        name, body = (beat.sender.store, beat.sender.box), beat.body
        last = self.heard.get(name)
        if isinstance(body, Heartbeat):
            self._follow(name, body, received)
            self._note_beat(name, body, received)
        elif last is not None and body.session >= last.body.session:
            self.heard[name] = last._replace(online=False)

    def _follow(self, name: BoxName, beat: Heartbeat, received: datetime) -> None:
        before = self.runs.get(name, [])
        self.runs[name] = follow(before, beat)
        if self.runs[name] != before:
            self.heard[name] = Heard(beat, True, received)
        if rule := noticed(before, self.runs[name]):
            self.noticed[name[0], rule, name[1]] = ()

    # What the ledger's streams say (`hq.warehouse.streams`)

    def _note(self, stream: bytes, one: Said) -> None:
        known = self.streams.get(stream)
        if known is None:
            self.streams[stream] = one
        elif known[:2] == one[:2]:
            self.streams[stream] = known.plus(one)

    def _note_beat(self, name: BoxName, beat: Heartbeat, received: datetime) -> None:
        known = self.epochs.get(beat.epoch)
        if known and known.header.identity.stream == beat.stream and tuple(known.sender[:2]) == name:
            heard = self._epoch_heard.get(beat.epoch, (0,) * len(LaneNumber))
            self._epoch_heard[beat.epoch] = tuple(map(max, heard, accepted(beat)))
            if vouched := mark(beat, received):
                self.marks[name] = sorted({*self.marks.get(name, ()), vouched}, key=lambda one: one.at)

    def _heed(self, batch: Batch, entry: Opened) -> None:
        data, name = entry.record.data, (batch.sender.store, batch.sender.box)
        if told := tombstone(batch.sender.store, entry):
            self._cover([told])
        if isinstance(data, Loss) and data.reason == "refused":
            self.refused[name] += data.count
        if repair := repair_of(entry):
            self.repairs.setdefault((*name, repair.boot), []).append(repair)
        if isinstance(data, StreamOpen):
            previous = bytes.fromhex(data.previous) if data.previous and len(data.previous) == 32 else None
            self.openings.setdefault(batch.stream, Opening(previous, data.reason))
            earlier = [key for key, one in self.streams.items() if one[:2] == name and key != batch.stream]
            if previous is None and earlier:
                self.noticed[name[0], "re-imaged", batch.stream.hex()] = tuple(key.hex() for key in earlier)

    def _put_letter(self, letter: Letter) -> None:
        self.letters[(letter.sender.store, letter.sender.box), letter.digest] = letter
        header = refused_batch(letter)
        known = self.epochs.get(header.epoch) if header else None
        if header and known and known.sender[:2] == letter.sender[:2]:
            lane = (letter.sender.store, known.header.identity.stream, int(header.lane), Kind.REFUSED)
            self._cover([Told(*lane, header.first, header.last)])

    def _cover(self, told: Iterable[Told]) -> None:
        for one in told:
            self.ranges[one[:4]] = merged([*self.ranges.get(one[:4], ()), (one.first, one.last)])

    def _note_forks(self, fresh: Iterable[EpochIdentity], claimed: Iterable[Batch]) -> None:
        for who in fresh:
            if twins := self._siblings(who) or self._crossed(who):
                self._fork(who.store, who.stream, [*twins, who.epoch])
        for batch in claimed:
            for who in self._after.get(batch.epoch, ()):
                if batch.last >= who.first[batch.lane]:
                    self._fork(who.store, who.stream, [batch.epoch, who.epoch])

    def _siblings(self, who: EpochIdentity) -> list[bytes]:
        return [
            one.epoch
            for one in self._after.get(who.previous, ())
            if one.stream == who.stream and one.epoch != who.epoch
        ]

    def _crossed(self, who: EpochIdentity) -> list[bytes]:
        ends = {lane: self._end(who.stream, who.previous, lane) for lane in LaneNumber}
        return [who.previous] if any(ends[lane] >= who.first[lane] for lane in LaneNumber) else []

    def _end(self, stream: bytes, epoch: bytes, lane: int) -> int:
        return max((last for _, last in self.claims.get((stream, epoch, lane), ())), default=0)

    def _fork(self, store: str, stream: bytes, epochs: Iterable[bytes]) -> None:
        self.forked.add(stream)
        self.noticed[store, "fork", stream.hex()] = tuple(epoch.hex() for epoch in epochs)

    def corrected(self, stored: Stored) -> datetime | None:
        """When a record happened, where its clock was repaired since."""
        _, epoch, *_ = stored.identity.split("/")
        who = self.epochs[bytes.fromhex(epoch)].header.identity
        record = stored.opened.record
        repairs = self.repairs.get((who.store, who.box, who.boot), [])
        return corrected(repairs, record.mono_ms, record.clock, record.at)

    # For completeness

    def standings(self) -> list[Standing]:
        """As `hq.warehouse.facts.standings` of all stores."""
        names = {*self.boxes, *((one.store, one.box) for one in self.streams.values())}
        return [self._standing(name) for name in sorted(names)]

    def _standing(self, name: BoxName) -> Standing:
        heard = self.heard.get(name)
        streams = tuple(self._stream(stream, one) for stream, one in self.streams.items() if one[:2] == name)
        mine = {stream.stream for stream in streams}
        ranges = {key[1:]: spans for key, spans in self.ranges.items() if key[0] == name[0] and key[1] in mine}
        beat, at = (heard.body, heard.received) if heard else (None, None)
        return Standing(*name, beat, at, streams, ranges, tuple(self.marks.get(name, ())), self.refused[name])

    def _stream(self, stream: bytes, one: Said) -> Stream:
        opening = self.openings.get(stream)
        first = tuple(1 if number is None else number for number in one.first)
        epochs = self._epochs(stream) if stream in self.forked else ()
        previous, reason = (opening.previous, opening.reason) if opening else (None, None)
        return Stream(stream, one.begun, first, one.named, previous, reason, stream in self.forked, tuple(epochs))

    def _epochs(self, stream: bytes) -> Iterable[Epoch]:
        for header in self.epochs.values():
            who = header.header.identity
            if who.stream == stream:
                stored = {int(lane): merged(self.claims.get((stream, who.epoch, lane), ())) for lane in LaneNumber}
                previous = None if who.previous == NO_EPOCH else who.previous
                heard = self._epoch_heard.get(who.epoch, (0,) * len(LaneNumber))
                yield Epoch(who.epoch, previous, who.first, heard, stored)
