"""What a driver is: a decoder from bytes to readings, and a device that brings the bytes.

The agent owns timing, retries, threads and logging; a driver raises `DeviceOffline` for what a retry may cure, logs
nothing and starts no thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time
from typing import NamedTuple, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

import msgspec

from devices.glass import Glass
from records import ClockQuality

NO_STATE: Mapping[str, bytes | None] = {}


class DeviceOffline(Exception):
    """The device does not answer; the agent closes it and tries again later."""


class Reading(msgspec.Struct, frozen=True):
    """One thing a device said, before cleaning.

    data: a struct of `records.types`
    at: aware UTC
    clock: `SOURCE` when `at` is the device's own time; None when it is the box's
    identity: the source's own identity of the event; a reading whose identity was accepted before is dropped.
        None where the source has none, and for `source_id` types, which HQ tells apart itself
    state: what the driver wants to find again after a restart, committed together with the record; None forgets a key
    raw: the bytes it was read from, kept masked and bounded if cleaning rejects it
    """

    data: msgspec.Struct
    at: datetime
    clock: ClockQuality | None = None
    identity: str | None = None
    state: Mapping[str, bytes | None] = NO_STATE
    raw: bytes = b""


class Rejected(msgspec.Struct, frozen=True):
    """What could not be read as anything: kept as a `quarantine` record with its reason, masked and bounded."""

    reason: str
    raw: bytes
    at: datetime
    state: Mapping[str, bytes | None] = NO_STATE


Item = Reading | Rejected


class Context(NamedTuple):
    """What a driver may know of its surroundings.

    state: what its readings last committed; empty on a first start
    timezone: the device's, or the store's, for times without an offset
    business_day_start: local time at which the business day changes
    currency: ISO 4217, for sources that do not name theirs
    glass: through which people look at a camera, where there is a page for them
    """

    state: Mapping[str, bytes] = {}
    timezone: ZoneInfo = ZoneInfo("UTC")
    business_day_start: time = time(0)
    currency: str | None = None
    glass: Glass | None = None


class Decoder(Protocol):
    """Bytes in, readings out, the same however the bytes are cut. Opens nothing, reads no clock, raises nothing."""

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        """What `data` completes; `at` is when it arrived, aware UTC."""
        ...

    def end(self, at: datetime) -> Sequence[Item]:
        """What the end of the input completes: open transactions, intervals, half a frame as `Rejected`."""
        ...


class Taken(NamedTuple):
    """What one `read` brought. `confirm`, where the source can wait, is called once all of it is on disk.

    note: what whoever looks after the box should know of the device's work, for the agent's log; mostly empty
    """

    items: Sequence[Item] = ()
    confirm: Callable[[], None] | None = None
    note: str = ""


@runtime_checkable
class Driver(Protocol):
    """A device that the agent reads: a port, a folder, a database."""

    def open(self) -> None:
        """Ready to read, or `DeviceOffline`."""
        ...

    def read(self, timeout_s: float) -> Taken:
        """What came within the time, perhaps nothing; `DeviceOffline` when the device is gone."""
        ...

    def close(self) -> None:
        """Lets go of the device; never raises, may be called twice."""
        ...


class Request(NamedTuple):
    """What a device pushed. `headers`: lower-case names."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What a push brought, and what to answer once it is on disk."""

    items: Sequence[Item] = ()
    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


@runtime_checkable
class Receiver(Protocol):
    """A device that pushes over HTTP to the agent's listener, under /push/<device id>."""

    def receive(self, request: Request, at: datetime) -> Answer: ...
