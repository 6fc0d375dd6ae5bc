"""What is known of ranges of numbers beside that they are stored: why they are not, and will not be."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from cloud_sync.ingest.work import Letter, Opened, Reply
from cloud_sync.wire import batch
from cloud_sync.wire.reader import WireError
from cloud_sync.wire.topics import Up
from records import Lane
from records.types import Loss

_LIMIT = 2**63 - 1
_HEX = frozenset("0123456789abcdef")


class Kind(IntEnum):
    """In the order in which one outranks the next."""

    STORED = 1
    DROPPED = 2
    NOT_HELD = 3
    REFUSED = 4


class Told(NamedTuple):
    """A range of one lane, both ends included. store: whose box says so."""

    store: str
    stream: bytes
    lane: int
    kind: Kind
    first: int
    last: int


def tombstone(store: str, opened: Opened) -> Told | None:
    """The range that a `loss` record names; None for other records and for losses that were never numbered."""
    loss = opened.record.data
    if not isinstance(loss, Loss) or loss.stream is None or loss.lane is None:
        return None
    first, last = loss.first or 0, loss.last or 0
    named = len(loss.stream) == 32 and set(loss.stream) <= _HEX and loss.lane in list(Lane)
    if not named or not 0 < first <= last < _LIMIT:
        return None
    return Told(store, bytes.fromhex(loss.stream), loss.lane, Kind.DROPPED, first, last)


def not_held(reply: Reply) -> list[Told]:
    """What a box says it does not have any more."""
    return [
        Told(reply.sender.store, stream, lane, Kind.NOT_HELD, first, last)
        for stream, _, lane, first, last in reply.body.not_held
    ]


def refused_batch(letter: Letter) -> batch.BatchHeader | None:
    """The clear header of a refused batch, as far as it can be read and is proven to be the box's.

    Anybody can write numbers into a clear header, and what a bit flipped on the way is still to come.
    """
    if not (letter.refused and letter.sealed) or not letter.topic.endswith(f"/{Up.BATCH}"):
        return None
    try:
        return batch.parse(letter.payload)[0]
    except WireError:
        return None
