"""What of the numbers that HQ misses is still held: in batches, receipted or not, or in rows that will be cut."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cloud_sync.spans import Span, gaps
from cloud_sync.wire import epoch as wire_epoch
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
        for stream, epoch, lane, first, last in ranges:
            spans: list[Span] = []
            for ordinal in self._epochs(stream, epoch):
                batches = self._batches(ordinal, lane, (first, last))
                digests.update(dict.fromkeys(digest for digest, _ in batches))
                spans += [span for _, span in batches]
                spans += self._rows(ordinal, lane, (first, last))
            missing += [(stream, epoch, lane, *gap) for gap in gaps((first, last), spans)]
        return Held(tuple(digests), tuple(missing))

    def _epochs(self, stream: bytes, epoch: bytes) -> list[int]:
        """The ordinals of that epoch, or of every one of the stream where HQ does not know which."""
        if epoch == ANY_EPOCH:
            rows = self._db.all("SELECT ordinal FROM epoch")
        else:
            rows = self._db.all("SELECT ordinal FROM epoch WHERE epoch = ?", (epoch,))
        return [ordinal for (ordinal,) in rows if self._stream(ordinal) == stream]

    def _stream(self, ordinal: int) -> bytes:
        return wire_epoch.parse(self._outbox.header(ordinal)).identity.stream

    def _batches(self, ordinal: int, lane: int, span: Span) -> list[tuple[bytes, Span]]:
        query = "SELECT digest, first, last FROM outbox WHERE epoch = ? AND lane = ? AND last >= ? AND first <= ?"
        return [(digest, (first, last)) for digest, first, last in self._db.all(query, (ordinal, lane, *span))]

    def _rows(self, ordinal: int, lane: int, span: Span) -> list[Span]:
        query = "SELECT min(id), max(id) FROM journal WHERE id BETWEEN ? AND ? AND epoch = ?"
        first, last = (row_id(Lane(lane), seq) for seq in span)
        rows = self._db.all(query, (first, last, ordinal))
        return [(lane_seq(low)[1], lane_seq(high)[1]) for low, high in rows if low is not None]
