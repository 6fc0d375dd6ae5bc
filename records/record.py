"""A record: what the store knows about one event, after cleaning and before sealing."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum

import msgspec


class Lane(IntEnum):
    """How dear a record is; the numbers go over the wire.

    `VITAL` is never dropped once accepted, `NORMAL` may be thinned, `BULK` goes first.
    """

    VITAL = 0
    NORMAL = 1
    BULK = 2


class ClockQuality(IntEnum):
    """How far `at` may be trusted; the numbers go over the wire."""

    UNKNOWN = 0  # the box has not heard of any time source since it booted
    SYNCED = 1  # the kernel says its clock is disciplined
    SOURCE = 2  # the time is the source's own (a till's, a camera's), not the box's


class Record(msgspec.Struct, frozen=True, gc=False):
    """One event.

    device: the device's id in the store's configuration
    at: aware UTC time of the event
    data: one of the structs in `records.types`; its class says the record's type
    mono_ms: the box's monotonic clock at acceptance, in milliseconds since boot
    clock: quality of `at`
    """

    device: str
    at: datetime
    data: msgspec.Struct
    mono_ms: int = 0
    clock: ClockQuality = ClockQuality.UNKNOWN
