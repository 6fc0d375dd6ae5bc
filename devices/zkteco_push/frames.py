"""What a terminal pushes: lines of punches, and other tables.

    POST /iclock/cdata?SN=CKUH210060001&table=ATTLOG&Stamp=9999
    101 <tab> 2026-11-21 08:58:00 <tab> 0 <tab> 1 <tab> 0 <tab> …       number, time, state, method, and more
    OPLOG …, USER PIN=… Name=…, FP PIN=… TMP=…                          of other tables: they name people

Some begin with a line ATTLOG, some have blanks instead of tabs, all leave out what they do not know at the end.
Sources: ZKTeco's PUSH SDK communication protocol, lines that its users published.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from devices.lines import Lines
from devices.punch_log import Logged

MAX_LINE = 4096  # bytes; a line of a template may be longer, and is not wanted
_PUNCH = re.compile(
    rb"[ \t]*([0-9A-Za-z_-]{1,24})[ \t]+(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)"
    rb"(?:[ \t]+(\d{1,3})(?:[ \t]+(\d{1,3}))?)?(?:[ \t].*)?"
)
_REQUEST = re.compile(rb"(GET|POST) /\S*?iclock/(\w+)\S*?\?(\S+)(?: HTTP/1\.[01])?")
_SERIAL = re.compile(rb"(?:^|&)SN=([A-Za-z0-9]{1,32})(?:&|$)")
_OTHER = re.compile(rb"(ATTLOG|OPLOG|USER|FP|FACE|USERPIC|BIODATA|BIOPHOTO|GET OPTION|OK)\b.*")
_HEADER = re.compile(rb"[A-Za-z-]{2,40}: .*")


class Terminal(NamedTuple):
    """From here on a terminal of that serial number speaks: a capture has its requests."""

    serial: str


class Unreadable(NamedTuple):
    """A line that is no punch; it is not kept, since it may name people."""

    reason: str


Found = Logged | Terminal | Unreadable


class LineParser:
    """Bytes in, punches out. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._lines = Lines(MAX_LINE)

    def feed(self, data: bytes) -> list[Found]:
        return [found for line in self._lines.feed(data) for found in _line(line)]

    def end(self) -> list[Found]:
        """The last line of a body has no end."""
        return _line(self._lines.end())


def _line(line: bytes) -> list[Found]:
    if len(line) > MAX_LINE:
        return [Unreadable("a line that is too long")]
    line = line.strip(b"\r\0 ")
    if not line:
        return []
    if punch := _PUNCH.fullmatch(line):
        return [_punch(punch)]
    if request := _REQUEST.fullmatch(line):
        serial = _SERIAL.search(request[3])
        return [Terminal(serial[1].decode())] if serial else []
    if _OTHER.fullmatch(line) or _HEADER.fullmatch(line):
        return []
    return [Unreadable("a line that is no punch")]


def _punch(found: re.Match[bytes]) -> Logged | Unreadable:
    person, at, state, method = (part.decode() if part else "" for part in found.groups())
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        return Unreadable("a punch with a time that cannot be read")
    return Logged(person, when, int(state or 255), int(method or 255))
