"""What of the numbers that HQ misses is still held: in batches, receipted or not, or in rows that will be cut."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from cloud_sync.spans import Span, gaps
from cloud_sync.wire.downlink import ANY_EPOCH
from edge_agent.buffer.connection import Connection
from edge_agent.buffer.outbox import Outbox
from edge_agent.buffer.transaction import lane_seq, row_id
from records import Lane

Range = tuple[bytes, bytes, int, int, int]  # stream, epoch, lane, first, last, as in a re-send


class Held(NamedTuple):
    """digests: of the batches to be sent again; missing: the parts of the ranges that are not here."""

    digests: tuple[bytes, ...]
    missing: tuple[Range, ...]


class Again:
    """Reads through the buffer's connection."""

    def __init__(self, connection: Connection, outbox: Outbox) -> None:
        self._db = connection
        self._outbox = outbox

    def look(self, ranges: Iterable[Range]) -> Held:
        digests: dict[bytes, None] = {}
        missing: list[Range] = []
        asked = list(ranges)
        held = self._held(epoch for _, epoch, *_ in asked)
        for stream, epoch, lane, first, last in asked:
            spans: list[Span] = []
            for ordinal in held.get((stream, epoch), ()):
                batches = self._batches(ordinal, lane, (first, last))
                digests.update(dict.fromkeys(digest for digest, _ in batches))
                spans += [span for _, span in batches]
                spans += self._rows(ordinal, lane, (first, last))
            missing += [(stream, epoch, lane, *gap) for gap in gaps((first, last), spans)]
        return Held(tuple(digests), tuple(missing))

    def _held(self, epochs: Iterable[bytes]) -> dict[tuple[bytes, bytes], list[int]]:
        """Ordinals by stream and epoch; where HQ does not know which, all of the stream."""
        wanted = set(epochs)
        held: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
        for ordinal, who in self._outbox.identities(wanted - {ANY_EPOCH}).items():
            held[who.stream, who.epoch].append(ordinal)
        if ANY_EPOCH in wanted:
            for (ordinal,) in self._db.all("SELECT ordinal FROM epoch ORDER BY ordinal"):
                held[self._outbox.identity(ordinal).stream, ANY_EPOCH].append(ordinal)
        return held

    def _batches(self, ordinal: int, lane: int, span: Span) -> list[tuple[bytes, Span]]:
        query = "SELECT digest, first, last FROM outbox WHERE epoch = ? AND lane = ? AND last >= ? AND first <= ?"
        return [(digest, (first, last)) for digest, first, last in self._db.all(query, (ordinal, lane, *span))]

    def _rows(self, ordinal: int, lane: int, span: Span) -> list[Span]:
        query = "SELECT min(id), max(id) FROM journal WHERE id BETWEEN ? AND ? AND epoch = ?"
        first, last = (row_id(Lane(lane), seq) for seq in span)
        rows = self._db.all(query, (first, last, ordinal))
        return [(lane_seq(low)[1], lane_seq(high)[1]) for low, high in rows if low is not None]
