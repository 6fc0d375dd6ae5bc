"""What a warehouse knows of boxes, for completeness: the same from PostgreSQL and from its twin in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cloud_sync.spans import Span
from cloud_sync.wire.heartbeat import Heartbeat
from hq.warehouse.explained import Kind
from records import ClockQuality, Lane

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Epoch(NamedTuple):
    """An epoch of a forked stream. first: by lane; heard: the highest number it said it had given, by lane."""

    epoch: bytes
    previous: bytes | None
    first: tuple[int, ...]
    heard: tuple[int, ...]
    stored: Mapping[int, list[Span]]


class Stream(NamedTuple):
    """begun: the header of its first epoch came; first: the lowest numbers that headers name, by lane

    named: the highest numbers that headers or heartbeats name, by lane
    previous, reason: as its stream.open says; epochs: of a forked stream, else none
    """

    stream: bytes
    begun: bool
    first: tuple[int, ...]
    named: tuple[int, ...]
    previous: bytes | None
    reason: str | None
    forked: bool
    epochs: tuple[Epoch, ...]


class Mark(NamedTuple):
    """What a box had accepted of its stream, by lane, at a time of HQ's clock."""

    stream: bytes
    at: datetime
    accepted: tuple[int, ...]


class Standing(NamedTuple):
    """One box. heard: when its last heartbeat came; ranges: of each stream, lane and kind, rising and apart."""

    store: str
    box: str
    beat: Heartbeat | None
    heard: datetime | None
    streams: tuple[Stream, ...]
    ranges: Mapping[tuple[bytes, int, Kind], list[Span]]
    marks: tuple[Mark, ...]
    refused: int


def moment(us: int, instead: datetime) -> datetime:
    """A time that a box told, `instead` where no calendar has it."""
    try:
        return EPOCH + timedelta(microseconds=us)
    except OverflowError:
        return instead


def mark(beat: Heartbeat, received: datetime) -> Mark | None:
    """What a heartbeat vouches for; None where the box's clock is unknown, or was not yet held against HQ's: the time
    of its receipt would be too late for what was accepted on its way. Its time is never after its receipt.
    """
    if beat.clock == ClockQuality.UNKNOWN or beat.skew_ms is None:
        return None
    at = moment(beat.at_us, received) - timedelta(milliseconds=beat.skew_ms)
    return Mark(beat.stream, min(at, received).astimezone(UTC), accepted(beat))


def accepted(beat: Heartbeat) -> tuple[int, ...]:
    """By lane; zero for a lane that it does not name."""
    return tuple(beat.lanes[lane].accepted if lane < len(beat.lanes) else 0 for lane in Lane)
