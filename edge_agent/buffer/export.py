"""Everything without a receipt as a file that headquarters takes in: headers and batches as they are, rows as batches.

The rows stay rows in the buffer and are cut and sent later as ever: headquarters stores each number once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire import export as wire
from cloud_sync.wire.topics import Up
from edge_agent.buffer.packing import pack
from edge_agent.buffer.store import Buffer
from edge_agent.buffer.verify import Ask

BATCHES = 20
ROWS = 2000
Pieces = Callable[[Buffer, int], tuple[list[Parcel], int | None]]


def export(ask: Ask, store: str, box: str, now_us: int) -> Iterator[bytes]:
    """The file's bytes; the buffer is free between two pieces."""
    return wire.write(store, box, _parcels(ask, now_us))


def _parcels(ask: Ask, now_us: int) -> Iterator[tuple[Up, bytes]]:
    """Rows before batches: what is cut meanwhile is then given twice, and never not at all."""
    for held in ask(lambda buffer: buffer.inspection.epochs()):
        yield from _sent(ask(_headers_of(held.epoch)))
    for pieces in (lambda buffer, upto: _rows(buffer, upto, now_us), _batches):
        upto: int | None = 0
        while upto is not None:
            parcels, upto = ask(_from(pieces, upto))
            yield from _sent(parcels)


def _sent(parcels: list[Parcel]) -> Iterator[tuple[Up, bytes]]:
    return ((parcel.what, parcel.payload) for parcel in parcels)


def _headers_of(epoch: bytes) -> Callable[[Buffer], list[Parcel]]:
    return lambda buffer: buffer.outbox.headers([epoch])


def _from(pieces: Pieces, upto: int) -> Callable[[Buffer], tuple[list[Parcel], int | None]]:
    return lambda buffer: pieces(buffer, upto)


def _batches(buffer: Buffer, upto: int) -> tuple[list[Parcel], int | None]:
    return buffer.inspection.unsent(upto, BATCHES)


def _rows(buffer: Buffer, upto: int, now_us: int) -> tuple[list[Parcel], int | None]:
    rows, following = buffer.inspection.journal(upto, ROWS)
    epochs = {held.ordinal: held.epoch for held in buffer.inspection.epochs()}
    packed = pack((row for row in rows if row.epoch in epochs), epochs, now_us)
    return [Parcel(batch.digest, Up.BATCH, batch.payload) for batch in packed], following
