"""A batch: contiguous records of one lane and epoch, sealed, named by the SHA-256 of all its bytes.

    4   "SEB1"
    1   kind         1 records: compressed together, sealed with the epoch's batch key
                     2 rows: sealed rows as they stood in the journal, for an epoch whose key is gone
    1   lane         0 vital, 1 normal, 2 bulk
    2   dictionary   id of the zstd dictionary of kind 1; 0 in kind 2
    16  epoch
    8   first        number of the first record; the others follow without a gap
    4   count
    1   types        how many follow, in rising order of type, each:
          2   type   wire number of the record type
          4   count  records of that type
    body

The body of kind 1 is a 12-byte nonce, then AES-256-GCM ciphertext and tag of one zstd frame; the associated data is
everything before the nonce. The frame holds, for each record: 2 type, 4 length, the record (`records.codec`).

The body of kind 2 is, for each row: 2 type, 2 dictionary, 4 length, the sealed row: a 12-byte nonce, then ciphertext
and tag of one zstd frame of one record. The associated data of a row is "SER1", 16 epoch, 1 lane, 8 number, 2 type,
2 dictionary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import IntEnum
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

from cloud_sync.wire.reader import Reader, WireError
from records import Lane

MAGIC = b"SEB1"
MAX_SIZE = 73_728
MAX_BODY = 4 * 1024 * 1024
MAX_RECORD = 1024 * 1024
MAX_FRAME = 49_152  # of one record, compressed
_HEAD = Struct(">BBH16sQIB")
_TYPE = Struct(">HI")
_RECORD = Struct(">HI")
_ROW = Struct(">HHI")
_ROW_AAD = Struct(">4s16sBQHH")


class Kind(IntEnum):
    """How a batch is sealed."""

    RECORDS = 1
    ROWS = 2


class BatchHeader(NamedTuple):
    """The clear header. `types`: records by wire number of their type."""

    kind: Kind
    lane: Lane
    dictionary: int
    epoch: bytes
    first: int
    types: dict[int, int]

    @property
    def size(self) -> int:
        return sum(self.types.values())

    @property
    def last(self) -> int:
        return self.first + self.size - 1

    def to_bytes(self) -> bytes:
        head = _HEAD.pack(self.kind, self.lane, self.dictionary, self.epoch, self.first, self.size, len(self.types))
        return MAGIC + head + b"".join(_TYPE.pack(kind, self.types[kind]) for kind in sorted(self.types))


class Row(NamedTuple):
    """One sealed row of the journal; its number follows from its place."""

    type_id: int
    dictionary: int
    sealed: bytes


def digest(batch: bytes) -> bytes:
    """The batch's name: SHA-256 of all its bytes."""
    return sha256(batch).digest()


def parse(batch: bytes) -> tuple[BatchHeader, bytes]:
    """Header and body; `WireError` when malformed or over a limit."""
    if len(batch) > MAX_SIZE:
        raise WireError(f"batch: {len(batch)} bytes, at most {MAX_SIZE}")
    reader = Reader(batch, "batch")
    reader.magic(MAGIC)
    kind, lane, dictionary, epoch, first, count, kinds = reader.unpack(_HEAD)
    types = dict(reader.unpack(_TYPE) for _ in range(kinds))
    try:
        header = BatchHeader(Kind(kind), Lane(lane), dictionary, epoch, first, types)
    except ValueError as fault:
        raise WireError(f"batch: {fault}") from None
    if not count or header.size != count or header.last >= 2**63 or 0 in types.values():
        raise WireError(f"batch: {count} records announced, {header.size} by type, from number {first}")
    if header.kind is Kind.ROWS and dictionary:
        raise WireError(f"batch: dictionary {dictionary} in a batch of rows, where each row names its own")
    if header.to_bytes() != batch[: reader.at]:
        raise WireError("batch: types repeat or are not in rising order")
    return header, reader.rest()


def pack_records(records: Iterable[tuple[int, bytes]]) -> bytes:
    """The inner body of kind 1, before compression, of (type, record) pairs."""
    return b"".join(_RECORD.pack(kind, len(record)) + record for kind, record in records)


def unpack_records(body: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, record) pairs of a decompressed body; `WireError` when it is malformed."""
    at, end = 0, len(body)
    while at < end:
        after = at + _RECORD.size
        kind, length = _RECORD.unpack_from(body, at) if after <= end else (0, 0)
        at = after + length
        if at > end:
            raise WireError(f"batch body: cut off after {end} bytes, {at} expected")
        yield kind, body[after:at]


def pack_rows(lane: Lane, epoch: bytes, first: int, rows: list[Row]) -> bytes:
    """A whole batch of kind 2."""
    header = BatchHeader(Kind.ROWS, lane, 0, epoch, first, dict(Counter(row.type_id for row in rows)))
    body = b"".join(_ROW.pack(row.type_id, row.dictionary, len(row.sealed)) + row.sealed for row in rows)
    return header.to_bytes() + body


def unpack_rows(body: bytes) -> Iterator[Row]:
    """The rows of a batch of kind 2; `WireError` when it is malformed."""
    reader = Reader(body, "batch of rows")
    while reader.left():
        kind, dictionary, length = reader.unpack(_ROW)
        yield Row(kind, dictionary, reader.take(length))


def row_aad(epoch: bytes, lane: Lane, seq: int, type_id: int, dictionary: int) -> bytes:
    """The associated data of a sealed row: its whole clear identity."""
    return _ROW_AAD.pack(b"SER1", epoch, lane, seq, type_id, dictionary)
