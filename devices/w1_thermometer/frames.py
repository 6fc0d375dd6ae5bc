"""What the kernel's w1_therm says of a thermometer, in two lines of its w1_slave file.

    3f 00 4b 46 7f ff 01 10 47 : crc=47 YES
    3f 00 4b 46 7f ff 01 10 47 t=3937

Nine bytes of scratchpad, the last the CRC-8 of the others (reflected 31h, start 0), the kernel's word on it, and
thousandths of a degree. A line may carry the file's name in front (`28-000004da2313/w1_slave:`), as grep prints it. A
JSON array is a series of temperatures, or of objects with the scratchpad as `hex`. Sources: the kernel's documentation
of w1_therm; Maxim's DS18B20 data sheet and application note 27.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

MAX_TEXT = 64 * 1024
_MOST_NOISE = 4096
_LINE = re.compile(
    r"(?:.*?([0-9a-f]{2}-[0-9a-f]{12})/w1_slave:)?((?:[0-9a-f]{2} ){9})(: crc=[0-9a-f]{2} (YES|NO)|t=(-?\d+))"
)
_SERIES_START = b"["


class Shown(NamedTuple):
    """A temperature in °C of a probe; None where the file's name is not known."""

    probe: str | None
    celsius: float
    raw: bytes


class Fault(NamedTuple):
    """What is no temperature."""

    reason: str
    raw: bytes


class SlaveParser:
    """Bytes in, temperatures and faults out. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._first: re.Match[str] | None = None  # the line with the kernel's word, which awaits its second
        self._first_raw = b""
        self._noise = bytearray()  # lines that are none of a thermometer, kept together
        self._series: bool | None = None  # whether what comes is JSON; None until it shows

    def feed(self, data: bytes) -> list[Shown | Fault]:
        self._buffer += data
        if self._series is None and (begin := self._buffer.lstrip()):
            self._series = begin.startswith(_SERIES_START)
        if self._series:
            return self._too_long() if len(self._buffer) > MAX_TEXT else []
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        return [found for line in lines for found in self._line(bytes(line) + b"\n")] + self._too_long()

    def end(self) -> list[Shown | Fault]:
        """What the end completes: a series, a last line."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        if self._series:
            self._series = None
            return _series(rest)
        self._series = None
        return self._line(rest) + self._half() + self._told_noise()

    def _too_long(self) -> list[Shown | Fault]:
        if len(self._buffer) <= MAX_TEXT:
            return []
        raw = bytes(self._buffer)
        self._buffer.clear()
        self._series = None
        return [Fault("too long for a thermometer's file", raw)]

    def _line(self, line: bytes) -> list[Shown | Fault]:
        if not line.strip():
            return []
        parts = _LINE.fullmatch(line.decode("ascii", "replace").strip())
        if parts is None:
            self._noise += line
            return [*self._half(), *(self._told_noise() if len(self._noise) >= _MOST_NOISE else [])]
        return [*self._told_noise(), *self._parts(parts, line.rstrip(b"\r\n"))]

    def _parts(self, parts: re.Match[str], line: bytes) -> list[Shown | Fault]:
        if parts[5] is None:
            left = self._half()
            self._first, self._first_raw = parts, line
            return left
        first, raw = self._first, self._first_raw + b"\n" + line
        self._first = None
        if first is None or (first[1], first[2]) != (parts[1], parts[2]):
            return [Fault("a temperature without the line that vouches for it", raw.lstrip(b"\n"))]
        return [_shown(parts[1], bytes.fromhex(parts[2]), first[4] == "YES", int(parts[5]) / 1000, raw)]

    def _told_noise(self) -> list[Shown | Fault]:
        noise = bytes(self._noise)
        self._noise.clear()
        return [Fault("no line of a thermometer's file", noise)] if noise else []

    def _half(self) -> list[Shown | Fault]:
        first, self._first = self._first, None
        return [Fault("half of a thermometer's file", self._first_raw)] if first else []


def crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x8C if value & 1 else 0)
    return value


def _shown(probe: str | None, pad: bytes, vouched: bool, celsius: float, raw: bytes) -> Shown | Fault:
    if not any(pad):
        return Fault("nothing but zeros: the bus is short-circuited or has no power", raw)  # their CRC is right
    if not vouched or crc8(pad[:8]) != pad[8]:
        return Fault("wrong CRC; check cable length, pull-up and power", raw)
    if celsius == 127.9375 or round(celsius, 3) in (127.937, 127.938):
        return Fault("127.9375 °C is what a broken sensor says", raw)
    return Shown(probe, celsius, raw)


def _series(text: bytes) -> list[Shown | Fault]:
    try:
        return [_element(element) for element in msgspec.json.decode(text, type=list[float | dict[str, object]])]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [Fault("no series of temperatures", text)]


def _element(element: float | dict[str, object]) -> Shown | Fault:
    raw = msgspec.json.encode(element)
    if not isinstance(element, dict):
        return Shown(None, element, raw)
    try:
        pad = bytes.fromhex(str(element.get("hex")))
    except ValueError:
        pad = b""
    if len(pad) != 9:
        return Fault("no scratchpad of a thermometer", raw)
    return _shown(None, pad, True, int.from_bytes(pad[:2], "little", signed=True) / 16, raw)
