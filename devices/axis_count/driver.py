"""People counts: pushed intervals as they are, and the day's totals as their increase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from devices.axis_count.frames import Interval, LiveSum, Unreadable, read
from devices.axis_count.options import Options
from devices.counter import AHEAD, Seen, daily_rise, first_sight, told
from devices.driver import Context, Driver, Item, Reading, Receiver, Rejected
from devices.http_device import HttpDevice
from devices.http_ways import HttpPoll
from devices.json_documents import Document, Documents, Fault
from devices.pushed import Pushed
from records import ClockQuality
from records.types import DoorCount

_PATH = "/local/{application}/.api?live-sum.json"
_LIMIT = 64 * 1024
_UNWATCHED = timedelta(minutes=15)  # a day that ended after a longer silence has counted people that nobody saw


class _Last(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of one sensor. `until`: end of the last interval; `total`: the last totals of a day."""

    until: datetime | None = None
    total: Seen | None = None


class AxisDecoder:
    def __init__(self, context: Context) -> None:
        self._zone = context.timezone
        self._documents = Documents()
        self._last = {key: msgspec.json.decode(value, type=_Last) for key, value in context.state.items()}

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return self._items(self._documents.feed(data), at)

    def end(self, at: datetime) -> Sequence[Item]:
        return self._items(self._documents.end(), at)

    def _items(self, found: Sequence[Document | Fault], at: datetime) -> list[Item]:
        return [item for one in found for item in self._of(one, at)]

    def _of(self, found: Document | Fault, at: datetime) -> Iterator[Item]:
        if isinstance(found, Fault):
            yield Rejected(found.reason, found.raw, at)
            return
        try:
            counted = read(found.value)
            if isinstance(counted, LiveSum):
                yield self._total(counted, counted.instant(self._zone), found.raw)
                return
        except Unreadable as error:
            yield Rejected(str(error), found.raw, at)
            return
        for interval in counted:
            yield self._interval(interval, found.raw, at + AHEAD)

    def _interval(self, interval: Interval, raw: bytes, latest: datetime) -> Reading:
        begin, end = interval.begin, interval.end
        before = self._last.get(interval.sensor, _Last())
        until = before.until if before.until and before.until <= latest else None
        gap = until is not None and until < begin
        state = self._remember(interval.sensor, _Last(max(until or end, end), before.total))
        data = DoorCount(interval.in_, interval.out, begin, end, gap=gap)
        identity = f"{interval.sensor}/{begin.isoformat()}/{end.isoformat()}"
        return Reading(data, end, ClockQuality.SOURCE, identity, state, raw)

    def _total(self, live: LiveSum, at: datetime, raw: bytes) -> Reading:
        now = Seen(live.in_, live.out, at)
        before = self._last.get(live.serial, _Last())
        state = self._remember(live.serial, _Last(before.until, now))
        identity = f"{live.serial}/{live.timestamp}/{live.in_}/{live.out}"
        return Reading(self._since(before.total, now), at, ClockQuality.SOURCE, identity, state, raw)

    def _since(self, before: Seen | None, now: Seen) -> DoorCount:
        if before is None:
            return first_sight(now, None)
        risen = daily_rise(before, now, self._zone)
        return told(before, now, risen, None, gap=risen.reset and now.at - before.at > _UNWATCHED)

    def _remember(self, sensor: str, last: _Last) -> dict[str, bytes | None]:
        self._last[sensor] = last
        return {sensor: msgspec.json.encode(last)}


def decoder(options: Options, context: Context) -> AxisDecoder:  # noqa: ARG001 - no setting changes what is said
    return AxisDecoder(context)


def device(options: Options, context: Context) -> Driver | Receiver:
    if options.pull is None:
        return Pushed(decoder(options, context))
    path = _PATH.format(application=options.application)
    return HttpPoll(HttpDevice(options.pull), path, decoder(options, context), options.interval_s, _LIMIT)
