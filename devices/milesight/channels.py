"""Milesight's payloads: records of channel, type and value, little-endian, one after the other.

    03 D2 BE000000   04 D2 31010000   05 CC 0000 0000        line 1: total in, total out, in and out of the period
    04 CC 1200 1600                                         total in and out of VS350, VS351, VS360, in 16 bits
    20 CE 7B3AF164 00 0B00 0400                             kept since that time: in and out of that period
    03 67 3401   04 68 65                                   30.8 °C, 50.5 %
    20 CE 9E744663 1001 5D                                  kept since that time: 27.2 °C, 46.5 % (EM3xx)
    20 CE C79AFA64 02 BDFF                                  kept since that time: why, -6.7 °C (TS201)

A channel with its high bit set is an alarm, one byte longer, or three with how fast a temperature changed. Sources: the
maker's published payload tables of VS121, VS132, VS133, VS135, VS350, VS351, VS360, EM300, EM320, EM500, TS101 and
TS201, and payloads of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from devices.counter import BITS_16, BITS_32
from devices.milesight.said import Count, Said, Warmth

_LINES = {0x03: 1, 0x06: 2, 0x09: 3, 0x0C: 4}  # first of a line's three channels
_HISTORY = (0x20, 0xCE)
_KEPT_PERIODS = {0x05: 1, 0x08: 2, 0x0B: 3, 0x0E: 4}
_DOWNLINK = {0xF8, 0xF9, 0xFE, 0xFF}  # answers to what the server set


class _Field(NamedTuple):
    """How long a value is and what it means; no meaning: passed over."""

    size: int
    meaning: str = ""
    line: int = 1


def _fields() -> Mapping[tuple[int, int], _Field]:
    known = {
        (0x04, 0xCC): _Field(4, "total"),
        (0x84, 0xCC): _Field(5, "total"),
        (0x0D, 0xCC): _Field(4, "total"),
        (0x85, 0xCC): _Field(5, "period"),
        (0x04, 0xC9): _Field(4, "present"),
        (0x03, 0x67): _Field(2, "celsius"),
        (0x83, 0x67): _Field(3, "celsius"),
        (0x93, 0x67): _Field(5, "celsius"),
        (0x04, 0x68): _Field(1, "humidity"),
        (0x0A, 0xEF): _Field(4, "time"),
        (0x0F, 0x85): _Field(4, "time"),
    }
    for first, line in _LINES.items():
        known[first, 0xD2] = _Field(4, "total-in", line)
        known[first + 1, 0xD2] = _Field(4, "total-out", line)
        known[first + 2, 0xCC] = _Field(4, "period", line)
    passed = {
        1: [0x0175, 0x0275, 0x0300, 0x0400, 0x06CD, 0x81EE, 0xFF01, 0xFF0B, 0xFF0F, 0xFFFE],
        2: [0x03F4, 0xFF09, 0xFF0A, 0xFFFF],
        3: [0x50FC],
        4: [0x05C8, 0x0FE3, 0x10F7, 0x1DE3, 0xFF1F, *(channel << 8 | 0xD2 for channel in range(0x11, 0x1D))],
        5: [0x0EE4, 0x10E4, 0x1EE4],
        6: [0xFF08],
        8: [0x07D5, 0x08D5, 0x09DA, 0x0ADA, 0x0BDA, 0x0CDA, 0xFF16],
    }
    known |= {divmod(key, 256): _Field(size) for size, keys in passed.items() for key in keys}
    known |= {
        (channel, 0xCC): _Field(4) for channel in (0x13, 0x16, 0x19, 0x1C)
    }  # staff, who are counted as people too
    return known


_FIELDS = _fields()


def decode(payload: bytes) -> Said | None:
    """What the payload says; None where it does not begin as one of Milesight's."""
    reader = _Reader(payload)
    while reader.step():
        pass
    return reader.said() if reader.place or reader.answered else None


class _Reader:
    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self.place = 0
        self.answered = False  # an answer to the server follows: its length is not known
        self._counts: dict[int, dict[str, tuple[int, int]]] = {}
        self._totals: dict[int, dict[str, int]] = {}
        self._done: list[Count] = []  # kept reports, and those that another one in the same bytes follows
        self._other: dict[str, bytes] = {}
        self._kept: list[tuple[datetime, bytes]] = []  # temperatures in one of two forms, which the rest tells apart

    def step(self) -> bool:
        """Reads one record; False at what is not understood, and at the end."""
        head = self._payload[self.place : self.place + 2]
        if len(head) < 2:
            return False
        key = (head[0], head[1])
        if key == _HISTORY:
            return self._history()
        field = _FIELDS.get(key)
        value = self._payload[self.place + 2 : self.place + 2 + (field.size if field else 0)]
        if field is None or len(value) < field.size:
            self.answered = field is None and head[0] in _DOWNLINK
            return False
        self.place += 2 + field.size
        self._take(field, value)
        return True

    def said(self) -> Said:
        lines = self._told()
        moment = self._other.get("time")
        return Said(
            (*self._done, *map(self._count, lines)),
            _time(moment) if moment else None,
            self._other["present"][0] if "present" in self._other else None,
            (*(self._kept_warmth(at, value) for at, value in self._kept), *self._warmth()),
            b"" if self.answered else self._payload[self.place :],
        )

    def _warmth(self) -> list[Warmth]:
        celsius, humidity = self._other.get("celsius"), self._other.get("humidity")
        if celsius is None and humidity is None:
            return []
        return [Warmth(_tenths(celsius) if celsius else None, humidity[0] / 2 if humidity else None)]

    def _kept_warmth(self, at: datetime, value: bytes) -> Warmth:
        """A sensor that says humidity keeps it too; one that says none begins with why it kept the temperature."""
        if "humidity" in self._other:
            return Warmth(_tenths(value), value[2] / 2, at=at)
        return Warmth(_tenths(value[1:]), at=at)

    def _take(self, field: _Field, value: bytes) -> None:
        line, meaning = field.line, field.meaning
        if meaning in self._counts.get(line, ()) or meaning in self._totals.get(line, ()):
            self._done += map(self._count, self._told())
            self._counts, self._totals = {}, {}
        if meaning in ("period", "total"):
            self._counts.setdefault(line, {})[meaning] = _pair(value)
        elif meaning in ("total-in", "total-out"):
            self._totals.setdefault(line, {})[meaning] = int.from_bytes(value, "little")
        elif meaning:
            self._other[meaning] = value

    def _told(self) -> list[int]:
        return sorted(self._counts.keys() | self._totals.keys())

    def _count(self, line: int) -> Count:
        short, long = self._counts.get(line, {}), self._totals.get(line, {})
        if len(long) == 2:
            return Count(line, short.get("period"), (long["total-in"], long["total-out"]), BITS_32)
        return Count(line, short.get("period"), short.get("total"), BITS_16)

    def _warm_history(self, begin: int) -> bool:
        """A kept temperature, which is shorter than kept counts: another record, or nothing, follows it."""
        end = begin + 7
        if len(self._payload) < end or self._payload[end : end + 2] not in (b"", bytes(_HISTORY)):
            return False
        self._kept.append((_time(self._payload[begin : begin + 4]), self._payload[begin + 4 : end]))
        self.place = end
        return True

    def _history(self) -> bool:
        """A kept report. What its types hold differs by model: an unknown one ends what can be read."""
        begin = self.place + 2
        if self._warm_history(begin):
            return True
        moment, kind = self._payload[begin : begin + 4], self._payload[begin + 4 : begin + 5]
        line = 1 if kind in (b"\0", b"\1") else _KEPT_PERIODS.get(kind[0] if kind else -1)
        size = 13 if kind == b"\1" else 9
        if line is None or len(self._payload) < begin + size:
            self.answered = True
            return False
        self._done.append(Count(line, period=_pair(self._payload[begin + 5 :]), at=_time(moment)))
        self.place = begin + size
        return True


def _tenths(value: bytes) -> float:
    return int.from_bytes(value[:2], "little", signed=True) / 10


def _pair(value: bytes) -> tuple[int, int]:
    return int.from_bytes(value[:2], "little"), int.from_bytes(value[2:4], "little")


def _time(value: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(value, "little"), UTC)
