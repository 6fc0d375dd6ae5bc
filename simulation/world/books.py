"""The world's own books: what was promised and what became of it. They see more than any part of the product does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cloud_sync.ingest.work import Batch as Opened
from cloud_sync.ingest.work import Header, Outcome, Work
from cloud_sync.seal.dictionary import CURRENT, Zstd
from cloud_sync.spans import Span, gaps, spans_of
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire.batch import Kind
from edge_agent.buffer import Batch, JournalRow, Transaction
from records import Lane, Record, from_wire, type_by_id
from simulation.world.sealing import Number, Violation, Watch

MAX_RECORD = 1 << 20
DIGEST = 16


class Accepted(NamedTuple):
    """When, in true time, and by which machine a number's row was on disk."""

    at: float
    machine: str
    stream: bytes


@dataclass
class Shelf:
    """What is known of one machine's disk, and goes back with it to an old image.

    last: by stream and lane the highest number on disk; epochs: by ordinal
    cuts: by epoch and lane the ranges that batches were cut for, with their digests
    numbers: what was accepted on this disk
    """

    last: dict[tuple[bytes, Lane], int] = field(default_factory=dict)
    epochs: dict[int, bytes] = field(default_factory=dict)
    cuts: dict[tuple[bytes, Lane], dict[int, int]] = field(default_factory=dict)
    digests: set[bytes] = field(default_factory=set)
    numbers: set[Number] = field(default_factory=set)

    def copy(self) -> Shelf:
        cuts = {lane: dict(spans) for lane, spans in self.cuts.items()}
        return Shelf(dict(self.last), dict(self.epochs), cuts, set(self.digests), set(self.numbers))


class Books:
    """accepted: every number that was ever on a disk
    committed: by the first half of their digest, batches and headers that HQ has committed
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._zstd = Zstd()
        self.accepted: dict[Number, Accepted] = {}
        self.committed: set[bytes] = set()

    def record(self, number: Number) -> Record:
        """What was accepted under a number."""
        type_id, frame = self._watch.frames[number]
        kind = type_by_id(type_id)
        if kind is None:
            raise Violation(f"a number of no known type: {type_id}")
        return from_wire(kind, self._zstd.expand(frame, CURRENT, MAX_RECORD))

    def plain(self, number: Number) -> bytes:
        """The bytes that were accepted under a number."""
        return self._zstd.expand(self._watch.frames[number][1], CURRENT, MAX_RECORD)

    # --- the store's side ------------------------------------------------------------------------------------------

    def durable(self, shelf: Shelf, stream: bytes, change: Transaction, by: Accepted, keys: Iterable[bytes]) -> None:
        """A transaction is on disk. keys: the epochs whose keys this life must still hold."""
        if change.epoch:
            shelf.epochs[change.epoch.ordinal] = change.epoch.epoch
        for row in change.rows:
            self._row(shelf, stream, row, by)
        for batch in change.batches:
            self._cut(shelf, batch, keys)

    def _row(self, shelf: Shelf, stream: bytes, row: JournalRow, by: Accepted) -> None:
        before = shelf.last.get((stream, row.lane), 0)
        if row.seq != before + 1:
            raise Violation(f"numbers run on: {row.lane.name} {row.seq} follows {before}")
        shelf.last[stream, row.lane] = row.seq
        number = (shelf.epochs[row.epoch], row.lane, row.seq)
        self.accepted[number] = by
        shelf.numbers.add(number)

    def _cut(self, shelf: Shelf, batch: Batch, keys: Iterable[bytes]) -> None:
        header, _ = wire_batch.parse(batch.payload)
        spans = shelf.cuts.setdefault((header.epoch, batch.lane), {})
        if any(first <= batch.last and batch.first <= last for first, last in spans.items()):
            raise Violation(f"a batch never changes: {batch.lane.name} {batch.first}-{batch.last} was cut before")
        if header.kind is Kind.ROWS and header.epoch in keys:
            raise Violation(
                f"a key is held until its rows are cut: {batch.lane.name} {batch.first} left as sealed rows"
            )
        spans[batch.first] = batch.last
        shelf.digests.add(batch.digest)

    def published(self, shelf: Shelf, payload: bytes) -> None:
        if wire_batch.digest(payload) not in shelf.digests:
            raise Violation("a batch never changes: one was sent that was not cut")

    def receipted(self, prefixes: Iterable[bytes]) -> None:
        """A store was told that HQ has these."""
        if any(prefix not in self.committed for prefix in prefixes):
            raise Violation("a receipt follows the commit: one came for what is not committed")

    def refused(self, shelf: Shelf, prefixes: Iterable[bytes]) -> None:
        ours = {digest[:DIGEST] for digest in shelf.digests}
        if any(prefix in ours for prefix in prefixes):
            raise Violation("what a store cut is never refused")

    # --- HQ's side -------------------------------------------------------------------------------------------------

    def acknowledged(self, work: Work | None, digest: bytes) -> None:
        """The broker was told to forget a message, by a worker that has this transaction under way."""
        if work and digest in _digests(work) and digest[:DIGEST] not in self.committed:
            raise Violation("the broker's acknowledgement follows the commit: one came before")

    def stored(self, work: Work, outcome: Outcome, claims: Mapping[tuple[bytes, bytes, int], Sequence[Span]]) -> None:
        """A transaction was committed. claims: all that there are now, by stream, epoch and lane."""
        for batch in work.batches():
            taken = claims.get((batch.stream, batch.epoch, batch.lane), ())
            if any(gaps(span, taken) for span in spans_of(batch.entries)):
                raise Violation(
                    f"what is committed is there: of {batch.lane.name} {batch.first}-{batch.last} not all is"
                )
        self.committed |= {digest[:DIGEST] for digest in _digests(work) if digest not in outcome.unsettled}


def _digests(work: Work) -> list[bytes]:
    parts: list[Header | Opened] = [*work.headers(), *work.batches()]
    return [part.digest for part in parts]
