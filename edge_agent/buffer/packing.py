"""Sealed rows as batches of kind rows: how they leave when the key of their epoch is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from cloud_sync.wire import batch as wire_batch
from edge_agent.buffer.transaction import Batch, JournalRow

_ROW_OVERHEAD = 8
_HEADER = 2048


def pack(rows: Iterable[JournalRow], epochs: Mapping[int, bytes], now_us: int) -> Iterator[Batch]:
    """Batches of one lane and epoch each, without a hole. epochs: ids by ordinal."""
    ordered = sorted(rows, key=lambda row: (row.lane, row.seq))
    for _, run in groupby(enumerate(ordered), key=lambda at: (at[1].lane, at[1].epoch, at[1].seq - at[0])):
        yield from _packed([row for _, row in run], epochs, now_us)


def _packed(rows: list[JournalRow], epochs: Mapping[int, bytes], now_us: int) -> Iterator[Batch]:
    while rows:
        size, taken = 0, 0
        while (
            taken < len(rows)
            and (size := size + len(rows[taken].sealed) + _ROW_OVERHEAD) < wire_batch.MAX_SIZE - _HEADER
        ):
            taken += 1
        part, rows = rows[:taken], rows[taken:]
        first = part[0]
        sealed = [wire_batch.Row(row.type_id, row.dictionary, row.sealed) for row in part]
        payload = wire_batch.pack_rows(first.lane, epochs[first.epoch], first.seq, sealed)
        yield Batch(wire_batch.digest(payload), first.lane, first.epoch, first.seq, part[-1].seq, now_us, payload)
