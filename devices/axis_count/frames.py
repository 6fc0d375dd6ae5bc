"""What Axis counters say, in JSON: intervals that are pushed, and the day's totals of the older application when asked.

    {"apiName": "Axis Retail Data", "data": {"utcFrom": …, "utcTo": …, "measurements": [{"kind": "people-counts",
     "utcFrom": …, "utcTo": …, "items": [{"direction": "in", "count": 1, "adults": 0}, …]}]}, "sensor": {"serial": …}}

    {"serial": "…", "name": "…", "timestamp": "20261121112756", "in": 12, "out": 318}      local time, totals of a day

Local times stand beside the UTC ones and are not read. Sources: a push of AXIS 3D People Counter 11.11; the VAPIX
documents of the People Counter API (`live-sum.json`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from devices.counter import utc

_STAMP = "%Y%m%d%H%M%S"
_UTC = ZoneInfo("UTC")


class Unreadable(ValueError):
    """A document of a counter lacks something or makes no sense."""


class People(msgspec.Struct, frozen=True):
    """How many went one way. `adults` are part of `count`."""

    direction: str = ""
    count: int = 0


class Measurement(msgspec.Struct, frozen=True, rename="camel"):
    """One interval, where its times are its own."""

    kind: str = ""
    utc_from: datetime | None = None
    utc_to: datetime | None = None
    items: tuple[People, ...] = ()


class Data(msgspec.Struct, frozen=True, rename="camel"):
    utc_from: datetime | None = None
    utc_to: datetime | None = None
    measurements: tuple[Measurement, ...] = ()


class Sensor(msgspec.Struct, frozen=True):
    serial: str = ""


class Push(msgspec.Struct, frozen=True):
    data: Data
    sensor: Sensor = Sensor()


class Interval(msgspec.Struct, frozen=True):
    """Who came and went between two instants, aware UTC. `sensor`: its serial number."""

    sensor: str
    begin: datetime
    end: datetime
    in_: int
    out: int


class LiveSum(msgspec.Struct, frozen=True, rename={"in_": "in"}):
    """The totals of a day, as the older application answers. `timestamp`: local, by the camera's clock."""

    in_: int
    out: int
    timestamp: str = ""
    serial: str = ""

    def instant(self, zone: ZoneInfo) -> datetime:
        """Aware UTC; `Unreadable`."""
        try:
            return utc(datetime.strptime(self.timestamp, _STAMP), zone)  # noqa: DTZ007 - the camera tells no zone
        except ValueError:
            raise Unreadable("a count with a time that cannot be read") from None


def read(document: Any) -> list[Interval] | LiveSum:
    """What a document counts, perhaps nothing; `Unreadable`."""
    if not isinstance(document, dict):
        raise Unreadable("no object")
    try:
        if "in" in document and "out" in document:
            return _sound(msgspec.convert(document, LiveSum, strict=False))
        if "data" in document:
            return _intervals(msgspec.convert(document, Push))
    except msgspec.ValidationError as error:
        raise Unreadable(f"not as such a counter counts: {error}") from None
    raise Unreadable("neither Axis Retail Data nor the totals of a day")


def _sound(live: LiveSum) -> LiveSum:
    if live.in_ < 0 or live.out < 0:
        raise Unreadable("a count below 0")
    return live


def _intervals(push: Push) -> list[Interval]:
    return [_interval(found, push) for found in push.data.measurements if found.kind == "people-counts"]


def _interval(found: Measurement, push: Push) -> Interval:
    begin, end = found.utc_from or push.data.utc_from, found.utc_to or push.data.utc_to
    if begin is None or end is None:
        raise Unreadable("a count without utcFrom and utcTo")
    if any(people.count < 0 for people in found.items):
        raise Unreadable("a count below 0")
    in_, out = (sum(one.count for one in found.items if one.direction == way) for way in ("in", "out"))
    try:
        return Interval(push.sensor.serial, utc(begin, _UTC), utc(end, _UTC), in_, out)
    except ValueError:
        raise Unreadable("a count with a time that cannot be read") from None
