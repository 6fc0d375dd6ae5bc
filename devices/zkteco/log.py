"""A terminal's log of punches, and the times in it.

The log is its length in 4 bytes, then records of 8, 16 or 40 bytes, by model:

    8     index (2) | method | time (4) | state
    16    number (4) | time (4) | method | state | 2 | work code (4)
    40    index (2) | number as text, 24 bytes | method | time (4) | state | 8

time: seconds, with every month as 31 days, from 2000 on. An event holds number (24), method, state and year from 2000,
month, day, hour, minute, second in a byte each. Sources: as of `frames`.
"""

from __future__ import annotations

import re
import struct
from datetime import datetime
from typing import NamedTuple

from devices.punch_log import Logged

FORMS = (40, 16, 8)
HEAD = 4
_NUMBER = re.compile(rb"([0-9A-Za-z_-]{1,24})\x00*")
_EVENT = 32
_EARLIEST = 2005  # a log is told from other tables by its times: none is older than the terminals


class Unreadable(NamedTuple):
    """A punch that says no time or nobody."""

    reason: str


_TIMELESS = Unreadable("a punch with a time that cannot be read")
_NOBODYS = Unreadable("a punch of nobody that the terminal names")


def when(seconds: int) -> datetime | None:
    """A terminal's local time; None where it is none, as of 31 June."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    months, day = divmod(days, 31)
    year, month = divmod(months, 12)
    return _local(2000 + year, month + 1, day + 1, hour, minute, second)


def seconds_of(at: datetime) -> int:
    """What a terminal calls that local time."""
    days = (at.year - 2000) * 12 * 31 + (at.month - 1) * 31 + at.day - 1
    return days * 86_400 + at.hour * 3600 + at.minute * 60 + at.second


def form_of(size: int, count: int) -> int | None:
    """The records' length, from the log's and how many the terminal says there are."""
    return next((form for form in FORMS if form * count == size), None)


def records(data: bytes, form: int) -> list[Logged | Unreadable]:
    """The punches of whole records of that length."""
    return [_record(data[place : place + form], form) for place in range(0, len(data) - form + 1, form)]


def guessed(log: bytes) -> list[Logged | Unreadable] | None:
    """The punches of a log with its length, in whichever form all of it can be read; None where it is no log."""
    size = len(log) - HEAD
    if size <= 0 or int.from_bytes(log[:HEAD], "little") != size:
        return None
    for form in FORMS:
        found = records(log[HEAD:], form) if size % form == 0 else []
        if found and all(map(_is_likely, found)):
            return found
    return None


def event(data: bytes) -> Logged | Unreadable:
    """The punch of an event."""
    number = _NUMBER.fullmatch(data[:24])
    if len(data) < _EVENT or number is None:
        return _NOBODYS
    method, state, year, month, day, hour, minute, second = data[24:_EVENT]
    at = _local(2000 + year, month, day, hour, minute, second)
    return Logged(number[1].decode(), at, state, method) if at else _TIMELESS


def _record(raw: bytes, form: int) -> Logged | Unreadable:
    if form == 40:
        text, method, seconds, state = struct.unpack_from("<2x24sBIB", raw)
        number = _NUMBER.fullmatch(text)
        person = number[1].decode() if number else ""
    elif form == 16:
        index, seconds, method, state = struct.unpack_from("<IIBB", raw)
        person = str(index) if index else ""
    else:
        index, method, seconds, state = struct.unpack_from("<HBIB", raw)
        person = str(index) if index else ""
    at = when(seconds)
    if at is None:
        return _TIMELESS
    return Logged(person, at, state, method) if person else _NOBODYS


def _is_likely(found: Logged | Unreadable) -> bool:
    return isinstance(found, Logged) and found.at.year >= _EARLIEST


def _local(*parts: int) -> datetime | None:
    try:
        return datetime(*parts)  # type: ignore[arg-type] # noqa: DTZ001 - the terminal's own, without a zone
    except ValueError:
        return None
