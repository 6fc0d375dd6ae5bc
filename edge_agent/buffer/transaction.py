"""What changes in the buffer at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from struct import error as StructError
from typing import NamedTuple
from zlib import crc32

from records import Lane

TRANSACTION = "transaction"  # the counter of them
_LANE = 56
_CLEAR = Struct(">BQQHH")


def row_id(lane: Lane, seq: int) -> int:
    """The journal id of a number in a lane."""
    return (lane << _LANE) | seq


def lane_seq(id_: int) -> tuple[Lane, int]:
    """Lane and number of a journal id."""
    return Lane(id_ >> _LANE), id_ & ((1 << _LANE) - 1)


class JournalRow(NamedTuple):
    """A sealed row. epoch: the epoch's ordinal in this file; crc: what `checksum` gave when it was sealed."""

    lane: Lane
    seq: int
    epoch: int
    type_id: int
    dictionary: int
    sealed: bytes
    crc: int

    @property
    def whole(self) -> bool:
        """Whether it is as it was sealed; without the epoch's key nothing else on the box can tell."""
        try:
            return self.crc == checksum(self.lane, self.seq, self.epoch, self.type_id, self.dictionary, self.sealed)
        except (StructError, TypeError):  # rot in a clear column may have made any value of it
            return False


def checksum(lane: Lane, seq: int, epoch: int, type_id: int, dictionary: int, sealed: bytes) -> int:
    """CRC-32 of a sealed row and its clear identity: notices rot, not forgery."""
    return crc32(sealed, crc32(_CLEAR.pack(lane, seq, epoch, type_id, dictionary)))


class NewEpoch(NamedTuple):
    """An epoch's header, to be kept before its first row."""

    ordinal: int
    epoch: bytes
    header: bytes
    digest: bytes


class Batch(NamedTuple):
    """A cut batch: takes the place of journal rows `first` to `last`. oldest_us: time of its oldest record."""

    digest: bytes
    lane: Lane
    epoch: int
    first: int
    last: int
    oldest_us: int
    payload: bytes


class Transaction(NamedTuple):
    """One commit.

    number: counts transactions for ever, so that after an error one can see whether it is there
    next: the next number of each lane that got rows
    state: (device, key) → value, None forgets
    seen: (device, keyed hash of a source identity, day)
    settled: batches and headers whose receipt came, by the first 16 bytes of their digest, and when
    again: digests of batches that HQ asks for once more
    evicted: digests of batches that go
    dropped: numbers at the front of a lane whose rows are damaged, first to last
    facts: small counters by name
    """

    number: int
    rows: Sequence[JournalRow] = ()
    next: Mapping[Lane, int] = {}
    state: Mapping[tuple[str, str], bytes | None] = {}
    seen: Sequence[tuple[str, bytes, int]] = ()
    epoch: NewEpoch | None = None
    batches: Sequence[Batch] = ()
    settled: Sequence[tuple[bytes, int]] = ()
    evicted: Sequence[bytes] = ()
    dropped: Sequence[tuple[Lane, int, int]] = ()
    facts: Mapping[str, int] = {}
    again: Sequence[bytes] = ()
