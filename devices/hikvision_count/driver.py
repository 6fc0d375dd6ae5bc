"""People counts: alerts to what went in and out.

`timeRange` alerts carry the count of their interval. `realTime` alerts carry a total that only ever rises until the
camera resets it; what is counted is its increase, and the first one seen says from where (it counts nobody). A camera
that sends both says everything twice, so only one of them is taken. Alerts come by push, or are read from alertStream.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element

import msgspec

from devices.counter import AHEAD, Order, Seen, first_sight, rise, told, utc
from devices.driver import Context, Driver, Item, Reading, Receiver, Rejected
from devices.hikvision_count.frames import Alert, AlertParser, Fault
from devices.hikvision_count.options import Options
from devices.http_device import HttpDevice
from devices.http_ways import HttpStream
from devices.pushed import Pushed
from records import ClockQuality
from records.types import DoorCount

_NVR_CHANNELS = 32  # a recorder numbers its network cameras from 33
_STREAM = "/ISAPI/Event/notification/alertStream"
_QUIET_S = 90.0  # cameras send a videoloss alert every few seconds to show that they are there


class _Total(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of one line of a camera.

    in_, out, at: the last total, and when the camera said it
    counted: when a total last added somebody
    intervals: timeRange alerts have come
    until: end of the last interval
    """

    in_: int = 0
    out: int = 0
    at: datetime | None = None
    counted: datetime | None = None
    intervals: bool = False
    until: datetime | None = None


class _Count(NamedTuple):
    """A counting alert, read. `key`: camera, channel and region; `begin` is `end` for a total."""

    method: str
    key: str
    line: str
    begin: datetime
    end: datetime
    in_: int
    out: int
    late: bool


class _Unreadable(ValueError):
    """A counting alert lacks something or makes no sense."""


class Counter:
    """Alerts to readings; keeps the totals between them."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._zone = context.timezone
        self._order = Order()
        self._totals = {key: msgspec.json.decode(value, type=_Total) for key, value in context.state.items()}

    def items(self, found: Sequence[Alert | Fault], at: datetime) -> list[Item]:
        return [item for one in found if (item := self._item(one, at)) is not None]

    def _item(self, found: Alert | Fault, at: datetime) -> Item | None:
        if isinstance(found, Fault):
            return Rejected(found.reason, found.raw, at)
        if not _counts_people(found.root):
            return None
        try:
            count = self._read(found.root)
        except _Unreadable as error:
            return Rejected(str(error), found.raw, at)
        take = self._interval if count.method == "timerange" else self._total
        return take(count, found.raw, at)

    def _read(self, alert: Element) -> _Count:
        counting = _child(alert, "peopleCounting")
        if counting is None:
            raise _Unreadable("a counting alert without peopleCounting")
        method = _text(counting, "statisticalMethods").lower()
        begin, end = self._span(alert, counting, method)
        channel = _number(alert, "channelID" if _text(alert, "channelID") else "dynChannelID")
        channel = channel - _NVR_CHANNELS if channel > _NVR_CHANNELS else channel
        camera = _text(alert, "macAddress") or _text(alert, "ipAddress")
        region = _text(counting, "regionsID") or "1"
        in_, out = (self._people(alert, counting, side) for side in ("enter", "exit"))
        key = f"{camera}/{channel}/{region}".lower()
        line = str(channel) if region == "1" else f"{channel}/{region}"
        return _Count(method, key, line, begin, end, in_, out, _text(alert, "isDataRetransmission").lower() == "true")

    def _span(self, alert: Element, counting: Element, method: str) -> tuple[datetime, datetime]:
        if method == "timerange":
            span = _child(counting, "TimeRange")
            if span is None:
                raise _Unreadable("a timeRange count without TimeRange")
            return self._time(_text(span, "startTime")), self._time(_text(span, "endTime"))
        if method != "realtime":
            raise _Unreadable(f"counts by {method or 'no'} method are not read; set the camera to timeRange")
        span = _child(counting, "RealTime")
        text = _text(span, "time") if span is not None else ""
        time = self._time(text or _text(alert, "dateTime"))
        return time, time

    def _time(self, text: str) -> datetime:
        try:
            time = datetime.fromisoformat(text)
            return utc(time.replace(tzinfo=None) if self._options.times == "wall-clock" else time, self._zone)
        except ValueError:
            raise _Unreadable("a counting alert with a time that cannot be read") from None

    def _people(self, alert: Element, counting: Element, side: str) -> int:
        count = _number(counting, side)
        children = _child(alert, "childCounting") if self._options.children == "added" else None
        return count if children is None else count + _number(children, side)

    def _interval(self, count: _Count, raw: bytes, at: datetime) -> Reading | None:
        if self._options.statistics == "realTime":
            return None
        before = self._totals.get(count.key, _Total())
        until = before.until if before.until and before.until <= at + AHEAD else None
        after = _Total(counted=before.counted, intervals=True, until=max(until or count.end, count.end))
        state = self._remember(count.key, after)
        if before.counted and before.counted > count.begin:
            return None  # totals have counted these people already
        gap = until is not None and until < count.begin
        data = DoorCount(count.in_, count.out, count.begin, count.end, count.line, gap=gap)
        identity = f"{count.key}/{count.method}/{count.begin.isoformat()}"
        return Reading(data, count.end, ClockQuality.SOURCE, identity, state, raw)

    def _total(self, count: _Count, raw: bytes, at: datetime) -> Reading | None:
        before = self._totals.get(count.key, _Total())
        if self._options.statistics == "timeRange" or (self._options.statistics == "auto" and before.intervals):
            return None
        if before.at and (count.late or self._order.is_late(count.key, count.end, before.at, at)):
            return None  # the newer one has told more
        data = self._increase(before, count)
        counted = count.end if data.in_ or data.out else before.counted
        after = _Total(count.in_, count.out, count.end, counted)
        identity = f"{count.key}/{count.method}/{count.end.isoformat()}/{count.in_}/{count.out}"
        return Reading(data, count.end, ClockQuality.SOURCE, identity, self._remember(count.key, after), raw)

    def _increase(self, before: _Total, count: _Count) -> DoorCount:
        now = Seen(count.in_, count.out, count.end)
        if before.at is None:
            return first_sight(now, count.line)
        last = Seen(before.in_, before.out, before.at)
        return told(last, now, rise(last, now, self._options.wraps_at), count.line)

    def _remember(self, key: str, total: _Total) -> dict[str, bytes | None]:
        self._totals[key] = total
        return {key: msgspec.json.encode(total)}


def _counts_people(alert: Element) -> bool:
    return _text(alert, "eventType").lower() == "peoplecounting" or _child(alert, "peopleCounting") is not None


def _child(parent: Element, name: str) -> Element | None:
    """The first child of that local name, whatever its namespace and case."""
    return next((child for child in parent if str(child.tag).rpartition("}")[2].lower() == name.lower()), None)


def _text(parent: Element, name: str) -> str:
    child = _child(parent, name)
    return "" if child is None else (child.text or "").strip()


def _number(parent: Element, name: str) -> int:
    text = _text(parent, name)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _Unreadable(f"a counting alert whose {name} is no number")
    return int(text)


class HikDecoder:
    """The bodies of pushes, one after the other, or what a device said over alertStream."""

    def __init__(self, options: Options, context: Context) -> None:
        self._parser = AlertParser()
        self._counter = Counter(options, context)

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return self._counter.items(self._parser.feed(data), at)

    def end(self, at: datetime) -> Sequence[Item]:
        return self._counter.items(self._parser.end(), at)


def decoder(options: Options, context: Context) -> HikDecoder:
    return HikDecoder(options, context)


def device(options: Options, context: Context) -> Driver | Receiver:
    if options.pull is None:
        return Pushed(decoder(options, context))
    return HttpStream(HttpDevice(options.pull), _STREAM, decoder(options, context), _QUIET_S)
