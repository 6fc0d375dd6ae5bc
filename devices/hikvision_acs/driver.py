"""An access terminal's events: body temperatures, and who came when, under a pseudonym."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from devices.body_temperature import Checks
from devices.driver import Context, Driver, Item, Reading, Receiver, Rejected, Taken
from devices.hikvision_acs.frames import MAX_BODY, Event, Fault, Page, page_of
from devices.hikvision_acs.options import Options
from devices.http_device import HttpDevice
from devices.pushed import Pushed
from records import ClockQuality
from records.types import Punch, TempCheck

_PATH = "/ISAPI/AccessControl/AcsEvent?format=json"
_PAGE = 30  # events; more than that no terminal gives at once
_MOST_EVENTS = 10_000  # of one question; a terminal that says more for ever is asked anew
_FIRST_REACH = timedelta(days=1)
_CURSOR = "cursor"
_PASSED = 5  # the major number of what happens at the door
_METHODS = {1: "card", 2: "card", 38: "fingerprint", 40: "fingerprint", 75: "face"}  # minor numbers of being let in
Direction = Literal["in", "out", "unknown"]
_DIRECTIONS: dict[str, Direction] = {
    "checkIn": "in",
    "breakIn": "in",
    "overtimeIn": "in",
    "checkOut": "out",
    "breakOut": "out",
    "overtimeOut": "out",
}


class Events:
    """Events to items. They hold no name, card or picture; an employee's number, until cleaning replaces it."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._zone = context.timezone
        self._checks = Checks(options, context.state)

    def items(self, page: Page, at: datetime) -> list[Item]:
        items: list[Item] = [Rejected(fault.reason, b"", at) for fault in page.faults]
        for event in page.events:
            when = instant(event, self._zone)
            if when is None:
                items.append(Rejected("an event with a time that cannot be read", b"", at))
                continue
            items += self._items(event, when)
        return items

    def _items(self, event: Event, at: datetime) -> Iterator[Item]:
        staff = None if event.visitor else event.employee
        identity = f"{event.reader or 0}/{event.serial or 0}/{at.isoformat()}"
        raw = msgspec.json.encode(event._replace(employee=None))
        if event.celsius is not None:
            checked = self._checks.check(event.celsius, at, who=event.employee or "", alarm=event.abnormal)
            check = TempCheck(event.celsius, checked.verdict, staff)
            yield Reading(check, at, ClockQuality.SOURCE, identity, checked.state, raw)
        if staff and self._is_punch(event):
            punch = Punch(identity, staff, _direction(event), _METHODS.get(event.minor or 0))
            yield Reading(punch, at, ClockQuality.SOURCE, raw=raw)

    def _is_punch(self, event: Event) -> bool:
        if self._options.punches == "none":
            return False
        let_in = event.major == _PASSED and event.minor in _METHODS
        return event.attendance is not None or (let_in and self._options.punches == "passed")


def instant(event: Event, zone: ZoneInfo) -> datetime | None:
    """The event's time, by the terminal's clock."""
    try:
        told = datetime.fromisoformat(event.at)
        return (told if told.tzinfo else told.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class AcsDecoder:
    """Bodies of pushes and replies; `end` is the end of one."""

    def __init__(self, options: Options, context: Context) -> None:
        self._events = Events(options, context)
        self._body = bytearray()
        self._too_long = False

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:  # noqa: ARG002 - a body is told once it has ended
        self._too_long |= len(self._body) + len(data) > MAX_BODY
        self._body += b"" if self._too_long else data
        return []

    def end(self, at: datetime) -> Sequence[Item]:
        page = Page((), (Fault(f"more than {MAX_BODY} bytes"),)) if self._too_long else page_of(bytes(self._body))
        self._body.clear()
        self._too_long = False
        return self._events.items(page, at)


class _Cursor(msgspec.Struct, frozen=True):
    """Up to where events were read: the newest time, and the numbers of the events that have it."""

    at: datetime
    serials: tuple[int, ...] = ()

    def behind(self, event: Event, at: datetime) -> bool:
        return at < self.at or (at == self.at and (event.serial or 0) in self.serials)

    def past(self, event: Event, at: datetime) -> _Cursor:
        same = self.serials if at == self.at else ()
        return _Cursor(at, (*same, event.serial or 0)) if at >= self.at else self


class AcsPoll:
    """Asks for the events since the last, page by page; every page's readings carry how far they go."""

    def __init__(self, options: Options, context: Context, device: HttpDevice) -> None:
        self._events = Events(options, context)
        self._zone = context.timezone
        self._device = device
        self._interval_s = options.interval_s
        told = context.state.get(_CURSOR)
        self._cursor = msgspec.json.decode(told, type=_Cursor) if told else _Cursor(_now() - _FIRST_REACH)
        self._first: Page | None = None  # what `open` was answered
        self._next = 0.0
        self._ask_anew()

    def open(self) -> None:
        """Asks once, since only an answer shows that the terminal is there."""
        self._ask_anew()
        self._first = self._asked()

    def read(self, timeout_s: float) -> Taken:
        """A page's items, or nothing where it is not yet time to ask. What is not confirmed is asked for again."""
        page, self._first = self._first, None
        if page is None:
            wait = self._next - time.monotonic()
            if wait > 0:
                time.sleep(min(wait, timeout_s))
                return Taken()
            page = self._asked()
        items, cursor = self._new(page)
        return Taken(items, partial(self._go_on, page, cursor))

    def _go_on(self, page: Page, cursor: _Cursor) -> None:
        """To the next page, or after the last, or one too many, to the next question."""
        self._cursor = cursor
        self._position += len(page.events) + len(page.faults)
        if not page.more or not page.events or self._position > _MOST_EVENTS:
            self._ask_anew()
            self._next = time.monotonic() + self._interval_s

    def close(self) -> None:
        """Holds nothing between questions."""

    def _ask_anew(self) -> None:
        self._search, self._position, self._since = secrets.token_hex(8), 0, self._cursor.at

    def _asked(self) -> Page:
        question = {
            "searchID": self._search,
            "searchResultPosition": self._position,
            "maxResults": _PAGE,
            "major": _PASSED,
            "minor": 0,
            "startTime": self._local(self._since),
            "endTime": self._local(_now() + timedelta(days=1)),
        }
        answer = self._device.post(_PATH, msgspec.json.encode({"AcsEventCond": question}), MAX_BODY)
        return page_of(answer)

    def _local(self, at: datetime) -> str:
        """Terminals want an offset, and no fractions."""
        return at.astimezone(self._zone).isoformat(timespec="seconds")

    def _new(self, page: Page) -> tuple[list[Item], _Cursor]:
        items, cursor = self._events.items(page._replace(events=()), _now()), self._cursor
        for event in page.events:
            at = instant(event, self._zone)
            if at is not None and cursor.behind(event, at):
                continue
            found = self._events.items(Page((event,)), _now())
            cursor = cursor.past(event, at) if at else cursor
            state = {_CURSOR: msgspec.json.encode(cursor)}
            items += [msgspec.structs.replace(item, state={**item.state, **state}) for item in found]
        return items, cursor


def _now() -> datetime:
    return datetime.now(UTC)


def _direction(event: Event) -> Direction:
    return _DIRECTIONS.get(event.attendance or "", "unknown")


def decoder(options: Options, context: Context) -> AcsDecoder:
    return AcsDecoder(options, context)


def device(options: Options, context: Context) -> Driver | Receiver:
    if options.pull is None:
        return Pushed(decoder(options, context))
    return AcsPoll(options, context, HttpDevice(options.pull))
