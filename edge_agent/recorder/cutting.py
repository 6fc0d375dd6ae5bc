"""Cutting: sealed rows of one lane and epoch become one batch that never changes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.epoch_key import EpochKey
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire.batch import Row
from edge_agent.buffer.transaction import Batch, JournalRow
from edge_agent.clock import Now
from edge_agent.recorder.epochs import microseconds
from records import from_wire, type_by_id

ROWS = 2000
_ROW_OVERHEAD = 8
_HEADER = 2048
Random = Callable[[int], bytes]


class Piece(NamedTuple):
    """Rows at the front of a lane, all of one epoch. key: the epoch's; None once it is dropped."""

    rows: list[JournalRow]
    epoch: bytes
    key: EpochKey | None


def cut(piece: Piece, zstd: Zstd, random: Random, now: Now) -> Batch:
    """The batch of as many leading rows as fit; without the key the sealed rows go as they are."""
    rows = piece.rows
    return _of_records(rows, piece.key, zstd, random, now) if piece.key else _of_rows(rows, piece.epoch, now)


def _of_records(rows: list[JournalRow], key: EpochKey, zstd: Zstd, random: Random, now: Now) -> Batch:
    records = [
        (row.type_id, key.open_row(row.lane, row.seq, Row(row.type_id, row.dictionary, row.sealed), zstd))
        for row in rows
    ]
    records = _within_body(records)
    while len(payload := key.seal_batch(rows[0].lane, rows[0].seq, records, zstd, random)) > wire_batch.MAX_SIZE:
        records = records[: len(records) // 2]
    return _batch(rows, len(records), payload, _accepted_us(*records[0], now))


def _of_rows(rows: list[JournalRow], epoch: bytes, now: Now) -> Batch:
    size, taken = _HEADER, 0
    for row in rows:
        size += len(row.sealed) + _ROW_OVERHEAD
        if size > wire_batch.MAX_SIZE:
            break
        taken += 1
    packed = [Row(row.type_id, row.dictionary, row.sealed) for row in rows[:taken]]
    return _batch(rows, taken, wire_batch.pack_rows(rows[0].lane, epoch, rows[0].seq, packed), microseconds(now.wall))


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
