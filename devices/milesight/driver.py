"""People counts and temperatures: uplinks of sensors to what went in and out, and how warm it is.

A sensor tells what it counted in its period, its total, or both. Totals are better, since they bring what was counted
in uplinks that were lost; so a line that tells totals is counted by their increase, and its periods count only until
its first total, and after a day without any. Where only periods are told, a missing frame shows as `gap`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from devices.counter import Rise, Seen, first_sight, rise, told
from devices.driver import Context, Item, Reading, Receiver, Rejected
from devices.json_documents import MAX_DOCUMENT, Document, Documents
from devices.milesight import channels, decoded, makers
from devices.milesight.options import Options
from devices.milesight.said import Count, Said, Warmth
from devices.milesight.uplinks import Origin, Uplink, is_of_server, uplinks
from devices.pushed import Pushed
from devices.temperature import Measured, Probes
from records import ClockQuality
from records.types import DoorCount, ZoneOccupancy

_TOTALS_LAST = timedelta(days=1)
_REJOINED = 64  # frames: a counter that fell further, where no time is told, began again with a new session
_HEX = re.compile(rb"(?:[ \t\r\n]*[0-9A-Fa-f]{2})+[ \t\r\n]*")


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a line. `total`: the last; `until`: the last report; `odd`: events not yet paired."""

    total: Seen | None = None
    until: datetime | None = None
    odd: int = 0


class _Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last frame of a sensor. `missing`: some before it have not arrived, and no count has told so yet."""

    number: int | None = None
    time: datetime | None = None
    missing: bool = False


class MilesightDecoder:
    """Bodies of pushes: JSON documents, or bare payloads as bytes or in hexadecimal, one a line."""

    def __init__(self, options: Options, context: Context) -> None:
        self._codec = options.codec
        self._zone = context.timezone
        self._body = bytearray()
        self._lines: dict[str, _Line] = {}
        self._frames: dict[str, _Frame] = {}
        for key, value in context.state.items():
            kind, _, name = key.partition("/")
            if kind == "line":
                self._lines[name] = msgspec.json.decode(value, type=_Line)
            elif kind == "frame":
                self._frames[name] = msgspec.json.decode(value, type=_Frame)
        self._probes = Probes(options, context)

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        self._body += data
        if len(self._body) <= MAX_DOCUMENT:
            return []
        body = bytes(self._body)
        self._body.clear()
        return [Rejected("a body larger than any gateway sends", body, at)]

    def end(self, at: datetime) -> Sequence[Item]:
        body = bytes(self._body)
        self._body.clear()
        if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
            return list(self._documents(body, at))
        if not body.strip():
            return []
        bare = [bytes.fromhex(line.decode()) for line in body.splitlines() if line.strip()] if _is_hex(body) else [body]
        return [item for payload in bare for item in self._uplink(Uplink(Origin(), (payload,)), payload, at)]

    def _documents(self, body: bytes, at: datetime) -> Iterator[Item]:
        documents = Documents()
        for found in [*documents.feed(body), *documents.end()]:
            if isinstance(found, Document):
                yield from self._document(found, at)
            else:
                yield Rejected(found.reason, found.raw, at)

    def _document(self, found: Document, at: datetime) -> Iterator[Item]:
        anything = False
        for uplink in uplinks(found.value, self._zone):
            anything = True
            yield from self._uplink(uplink, found.raw, at)
        if anything or is_of_server(found.value):
            return
        yield Rejected("a document without an uplink", found.raw, at)

    def _uplink(self, uplink: Uplink, raw: bytes, at: datetime) -> Iterator[Item]:
        said = self._said(uplink)
        if said is None:
            yield Rejected("a payload of no known sensor; see codec", raw, at)
            return
        if said.rest:
            yield Rejected(f"the last {len(said.rest)} bytes of a payload are not understood", raw, at)
        yield from self._readings(said, uplink.origin, raw, at)

    def _said(self, uplink: Uplink) -> Said | None:
        """The payload is believed before what a server made of it."""
        found = [said for payload in uplink.payloads if (said := self._decoded(payload, uplink.origin.port))]
        whole = next((said for said in found if not said.rest), None)
        return whole or decoded.decode(uplink.decoded) or next(iter(found), None)

    def _decoded(self, payload: bytes, port: int | None) -> Said | None:
        if self._codec == "milesight":
            return channels.decode(payload)
        if self._codec != "auto":
            return makers.decode(self._codec, payload)
        own = makers.names_itself(payload) or channels.decode(payload)
        return own if own and not own.rest else makers.guess(payload, port) or own

    def _readings(self, said: Said, origin: Origin, raw: bytes, at: datetime) -> Iterator[Item]:
        time = said.at or origin.time
        late = self._arrived(origin, time)
        for count in said.counts:
            reading = self._count(count, origin, time, late, raw, at)
            if reading:
                yield reading
        clock = ClockQuality.SOURCE if time else None
        name = origin.name or origin.device
        for warmth in said.warmths:
            if warmth.at or not late:
                yield self._warmth(warmth, origin, time, raw, at)
        if said.present is not None and not late:
            yield Reading(ZoneOccupancy(name or "all", said.present), time or at, clock, raw=raw)

    def _warmth(self, warmth: Warmth, origin: Origin, time: datetime | None, raw: bytes, at: datetime) -> Item:
        """Several probes of a sensor are told apart as the lines of a counter are; a kept reading may come again."""
        told, name = warmth.at or time, origin.name or origin.device
        probe = "/".join(part for part in (name, warmth.probe) if part)
        kept = f"warmth/{origin.device}/{warmth.probe}/{warmth.at}/{warmth.celsius}" if warmth.at else None
        clock = ClockQuality.SOURCE if told else None
        said = Measured(probe or None, warmth.celsius, warmth.humidity_pct, raw, clock, kept, warmth.startup_c)
        return self._probes.kept(said, warmth.at) if warmth.at else self._probes.take(said, told or at)

    def _arrived(self, origin: Origin, time: datetime | None) -> bool:
        """Notes the frame; True where it was sent before the last and only arrives again or late."""
        before = self._frames.get(origin.device, _Frame())
        if _is_late(before, origin.frame, time):
            return True
        skipped = origin.frame is not None and before.number is not None and origin.frame > before.number + 1
        self._frames[origin.device] = _Frame(origin.frame, time or before.time, before.missing or skipped)
        return False

    def _count(
        self, count: Count, origin: Origin, time: datetime | None, late: bool, raw: bytes, at: datetime
    ) -> Reading | None:
        moment = count.at or time
        now = moment or at
        key = f"{origin.device}/{count.line}"
        before = self._lines.get(key, _Line())
        kept = late or count.at is not None
        if kept and (before.total or count.period is None):
            return None  # a newer total has told more
        if count.total and not kept:
            data, after = _by_total(before, count, count.total, now)
        elif count.period and not (before.total and now - before.total.at < _TOTALS_LAST):
            data, after = _by_period(before, count, count.period, now, kept)
        else:
            return None
        if not count.total and not kept and self._missing(origin.device):
            data = msgspec.structs.replace(data, gap=True)
        data = msgspec.structs.replace(data, line=_line(count, origin))
        self._lines[key] = after
        identity = f"{key}/{origin.frame}/{moment}/{count.period}/{count.total}" if _is_known(origin, moment) else None
        clock = ClockQuality.SOURCE if moment else None
        return Reading(data, now, clock, identity, self._state(key, origin.device), raw)

    def _missing(self, device: str) -> bool:
        """Whether frames are missing that no count has told of yet; tells it once."""
        frame = self._frames.get(device, _Frame())
        self._frames[device] = msgspec.structs.replace(frame, missing=False)
        return frame.missing

    def _state(self, key: str, device: str) -> dict[str, bytes | None]:
        frame = self._frames.get(device, _Frame())
        return {f"line/{key}": msgspec.json.encode(self._lines[key]), f"frame/{device}": msgspec.json.encode(frame)}


def _by_total(before: _Line, count: Count, total: tuple[int, int], now: datetime) -> tuple[DoorCount, _Line]:
    seen = Seen(*total, now)
    if before.total:
        data = told(before.total, seen, rise(before.total, seen, count.width), None)
    elif count.period:
        data = DoorCount(*count.period, _begin(before, now), now)
    else:
        data = msgspec.structs.replace(first_sight(seen, None), gap=before.until is None)
    return _paired(data, _Line(seen, now, before.odd), count.pair)


def _by_period(
    before: _Line, count: Count, period: tuple[int, int], now: datetime, kept: bool
) -> tuple[DoorCount, _Line]:
    until = max(before.until or now, now) if kept else now
    begin = None if kept else _begin(before, now)
    return _paired(DoorCount(*period, begin, now), _Line(None, until, before.odd), count.pair)


def _begin(before: _Line, now: datetime) -> datetime | None:
    return before.until if before.until and before.until <= now else None


def _paired(data: DoorCount, after: _Line, pair: int) -> tuple[DoorCount, _Line]:
    """Events without direction as people who came in and went out again; what is left over waits for the next."""
    if not pair:
        return data, after
    people, odd = divmod(data.in_ + after.odd, pair)
    risen = Rise(people, people, data.resumed)
    return (
        msgspec.structs.replace(data, in_=risen.in_, out=risen.out),
        msgspec.structs.replace(after, odd=odd),
    )


def _is_late(before: _Frame, number: int | None, time: datetime | None) -> bool:
    if time and before.time:
        return time < before.time or (time == before.time and number is not None and number == before.number)
    if number is None or before.number is None:
        return False
    return before.number - _REJOINED < number <= before.number


def _is_hex(body: bytes) -> bool:
    return len(body) >= 4 and _HEX.fullmatch(body) is not None


def _line(count: Count, origin: Origin) -> str | None:
    name = origin.name or origin.device
    if not name:
        return str(count.line)
    return name if count.line == 1 else f"{name}/{count.line}"


def _is_known(origin: Origin, moment: datetime | None) -> bool:
    return moment is not None or (bool(origin.device) and origin.frame is not None)


def decoder(options: Options, context: Context) -> MilesightDecoder:
    return MilesightDecoder(options, context)


def device(options: Options, context: Context) -> Receiver:
    return Pushed(decoder(options, context))
