"""People counts: summaries and events to what went in and out.

A camera tells totals: `Total`, which only `clearSectionStat` clears, and `Today`, which its midnight clears too. What
is counted is the increase of `Total` where both sights of it have one, and of `Today` else; `Hour` is never needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from devices.counter import AHEAD, Order, Rise, Seen, daily_rise, first_sight, rise, told
from devices.dahua_count.frames import MAX_PART, Event, Fault, Part, PartParser, Summary
from devices.dahua_count.options import Options
from devices.driver import Context, Driver, Item, Reading, Rejected
from devices.http_device import HttpDevice
from devices.http_ways import HttpPoll, HttpStream
from records import ClockQuality
from records.types import DoorCount

_RULE = "NumberStat"  # the rule that counts who comes and goes; other rules tell queues and crowds
_SERIES = ("Total", "Today")  # the better first
_UNWATCHED = timedelta(minutes=15)  # a camera cleared after a longer silence has counted people that nobody saw
_PATHS = {
    "summary": "/cgi-bin/videoStatServer.cgi?action=getSummary&channel={channel}",
    "attach": "/cgi-bin/videoStatServer.cgi?action=attach&channel={channel}&heartbeat=5",
    "events": "/cgi-bin/eventManager.cgi?action=attach&codes=[NumberStat]&heartbeat=5",
}
_QUIET_S = 30.0  # six heartbeats


class _Last(msgspec.Struct, frozen=True):
    """The totals of one channel by series, as (in, out), and when they were said."""

    at: datetime
    series: dict[str, tuple[int, int]]


class _Unreadable(ValueError):
    """A count lacks something or makes no sense."""


class DahuaDecoder:
    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._zone = context.timezone
        self._parser = PartParser()
        self._order = Order()
        self._last = {key: msgspec.json.decode(value, type=_Last) for key, value in context.state.items()}

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return self._items(self._parser.feed(data), at)

    def end(self, at: datetime) -> Sequence[Item]:
        return self._items(self._parser.end(), at)

    def _items(self, parts: Sequence[Part], at: datetime) -> list[Item]:
        return [item for part in parts for item in self._of(part, at)]

    def _of(self, part: Part, at: datetime) -> Iterator[Item]:
        if isinstance(part, Fault):
            yield Rejected(part.reason, part.raw, at)
            return
        try:
            found = [part.values] if isinstance(part, Summary) else list(_in_event(part))
            readings = [self._count(values, part.raw, at) for values in found if _is_count(values)]
        except _Unreadable as error:
            yield Rejected(str(error), part.raw, at)
        else:
            yield from (reading for reading in readings if reading)

    def _count(self, values: Mapping[str, str], raw: bytes, at: datetime) -> Reading | None:
        time = self._time(values, at)
        now = _Last(time or at, _series(values))
        key = f"{values.get('Channel', '0')}/{values.get('RuleID', values.get('AreaID', ''))}"
        before = self._last.get(key)
        if before and self._order.is_late(key, now.at, before.at, at):
            return None
        self._last[key] = now
        shown = "/".join(f"{name}={in_}-{out}" for name, (in_, out) in now.series.items())
        identity = f"{key}/{time.isoformat()}/{shown}" if time else None
        clock = ClockQuality.SOURCE if time else None
        return Reading(
            self._since(before, now, _line(values)), now.at, clock, identity, {key: msgspec.json.encode(now)}, raw
        )

    def _since(self, before: _Last | None, now: _Last, line: str) -> DoorCount:
        name = next((name for name in _SERIES if before and name in before.series and name in now.series), None)
        if before is None or name is None:
            series = next(iter(now.series.values()))
            return first_sight(Seen(*series, now.at), line)
        old, new = Seen(*before.series[name], before.at), Seen(*now.series[name], now.at)
        risen = self._risen(name, old, new)
        return told(old, new, risen, line, gap=risen.reset and new.at - old.at > _UNWATCHED)

    def _risen(self, name: str, old: Seen, new: Seen) -> Rise:
        return daily_rise(old, new, self._zone) if name == "Today" else rise(old, new, self._options.wraps_at)

    def _time(self, values: Mapping[str, str], at: datetime) -> datetime | None:
        """The camera's own; None where it tells none, is not to be believed, or has never been set."""
        text = values.get("UTC", "")
        if self._options.times == "box" or not _is_number(text):
            return None
        time = datetime.fromtimestamp(int(text), UTC)
        return time if time <= at + AHEAD and time.year > 2000 else None


def _is_count(values: Mapping[str, str]) -> bool:
    return values.get("RuleName", _RULE) == _RULE and any(key.startswith("EnteredSubtotal") for key in values)


def _series(values: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    found = {
        name: (_number(values, f"EnteredSubtotal.{name}"), _number(values, f"ExitedSubtotal.{name}"))
        for name in _SERIES
        if f"EnteredSubtotal.{name}" in values and f"ExitedSubtotal.{name}" in values
    }
    if not found:
        raise _Unreadable("a count with neither Total nor Today of who entered and exited")
    return found


def _line(values: Mapping[str, str]) -> str:
    """The channel as the camera's own pages number it, from 1."""
    channel = values.get("Channel", "0")
    return str(int(channel) + 1) if _is_number(channel) else channel


def _number(values: Mapping[str, str], key: str) -> int:
    if not _is_number(values[key]):
        raise _Unreadable(f"a count whose {key} is no number")
    return int(values[key])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12


def _in_event(event: Event) -> Iterator[dict[str, str]]:
    """Counts in the JSON of an event, as values by dotted key."""
    head, _, data = event.text.partition(";data=")
    if not head.startswith(f"Code={_RULE};") or not data:
        return
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise _Unreadable("a counting event whose data is no JSON") from None
    yield from _counts(document)


def _counts(value: object) -> Iterator[dict[str, str]]:
    if isinstance(value, dict) and "EnteredSubtotal" in value:
        yield dict(_flat(value))
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _counts(inner)


def _flat(value: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from ((f"{key}.{name}", text) for name, text in _flat(inner))
        elif key in ("EnteredSubtotal", "ExitedSubtotal"):
            yield f"{key}.Today", str(inner)  # a bare number is the day's
        else:
            yield key, str(inner)


def decoder(options: Options, context: Context) -> DahuaDecoder:
    return DahuaDecoder(options, context)


def device(options: Options, context: Context) -> Driver:
    camera, path = HttpDevice(options), _PATHS[options.method].format(channel=options.channel)
    if options.method == "summary":
        return HttpPoll(camera, path, decoder(options, context), options.interval_s, MAX_PART)
    return HttpStream(camera, path, decoder(options, context), _QUIET_S)
