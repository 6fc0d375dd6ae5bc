"""Cutting: sealed rows of one lane and epoch become one batch that never changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import accumulate, takewhile
from typing import NamedTuple

from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.epoch_key import EpochKey
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire.batch import Row
from edge_agent.buffer.packing import pack
from edge_agent.buffer.transaction import Batch, JournalRow
from edge_agent.clock import Now
from edge_agent.recorder.epochs import microseconds
from records import Lane, from_wire, type_by_id

ROWS = 2000
SEALED = 262_144  # bytes of sealed rows that hardly ever make more than one batch
Random = Callable[[int], bytes]


class Piece(NamedTuple):
    """Rows at the front of a lane, all of one epoch. key: the epoch's; None once it is dropped."""

    rows: list[JournalRow]
    stream: bytes
    epoch: bytes
    key: EpochKey | None


class Damaged(NamedTuple):
    """Rows at the front of a lane that are not what they were."""

    lane: Lane
    epoch: bytes
    first: int
    last: int
    types: dict[int, int]


def cut(piece: Piece, zstd: Zstd, random: Random, now: Now) -> Batch | Damaged:
    """The batch of as many leading rows as fit; without the key the sealed rows go as they are."""
    first = piece.rows[0].seq
    run = [row for number, row in enumerate(piece.rows, first) if row.seq == number]
    whole = list(takewhile(lambda row: row.whole, run))
    if not whole:
        return _damaged(list(takewhile(lambda row: not row.whole, run)), piece.epoch)
    if piece.key:
        return _of_records(whole, piece.key, zstd, random, now)
    return next(pack(whole, {whole[0].epoch: piece.epoch}, microseconds(now.wall)))


def _damaged(rows: list[JournalRow], epoch: bytes) -> Damaged:
    types = dict(Counter(row.type_id for row in rows))
    return Damaged(rows[0].lane, epoch, rows[0].seq, rows[-1].seq, types)


def _of_records(rows: list[JournalRow], key: EpochKey, zstd: Zstd, random: Random, now: Now) -> Batch:
    records = [
        (row.type_id, key.open_row(row.lane, row.seq, Row(row.type_id, row.dictionary, row.sealed), zstd))
        for row in rows
    ]
    records = _within_body(records)
    while len(payload := key.seal_batch(rows[0].lane, rows[0].seq, records, zstd, random)) > wire_batch.MAX_SIZE:
        records = records[: max(1, len(records) * wire_batch.MAX_SIZE // len(payload) * 9 // 10)]
    return _batch(rows, len(records), payload, _accepted_us(*records[0], now))


def _within_body(records: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """As many as HQ expands at once: however well they compress, a batch holds no more."""
    sizes = accumulate(len(wire_batch.pack_records([record])) for record in records)
    return records[: sum(1 for size in sizes if size <= wire_batch.MAX_BODY)]


def _batch(rows: list[JournalRow], size: int, payload: bytes, oldest_us: int) -> Batch:
    first = rows[0]
    last = rows[size - 1].seq
    return Batch(wire_batch.digest(payload), first.lane, first.epoch, first.seq, last, oldest_us, payload)


def _accepted_us(type_id: int, record: bytes, now: Now) -> int:
    """When a record of this life was accepted, by the clock that does not step."""
    kind = type_by_id(type_id)
    waited_ms = now.mono * 1000 - from_wire(kind, record).mono_ms if kind else 0
    return microseconds(now.wall) - int(waited_ms * 1000)
