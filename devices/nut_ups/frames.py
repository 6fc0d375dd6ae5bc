"""Lines of a NUT server, and of what `upsc` prints of one.

    BEGIN LIST VAR ups | VAR ups battery.charge "100" | … | END LIST VAR ups        to LIST VAR ups
    BEGIN LIST UPS | UPS ups "Back office" | END LIST UPS                           to LIST UPS
    ERR DATA-STALE                                                                  to what it cannot tell
    battery.charge: 100                                                             upsc

Values are quoted, with a backslash before a quote and a backslash. Sources: RFC 9271, the manual of upsc.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from devices.framing import Noise
from devices.lines import Lines

_LONGEST = 1024  # bytes of a line
MOST = 1000  # variables of a UPS, UPSes of a server
_LISTED = re.compile(r'(?:VAR|UPS) ([\w.-]{1,80}) (?:([\w.-]{1,80}) )?"((?:[^"\\]|\\.)*)"')
_PRINTED = re.compile(r"([a-z0-9]+(?:\.[\w-]+)+): ?(.*)")
_ESCAPED = re.compile(r"\\(.)")


class Variables(NamedTuple):
    """All that is known of a UPS; or of a LIST UPS, descriptions by name."""

    of: Mapping[str, str]
    raw: bytes


class Refusal(NamedTuple):
    """upsd cannot tell, and why, as RFC 9271 names it."""

    reason: str
    raw: bytes


Found = Variables | Refusal | Noise


class LineParser:
    """Bytes in; variables, refusals and noise out. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._lines = Lines(_LONGEST)
        self._begin()

    def feed(self, data: bytes) -> list[Found]:
        return [found for line in self._lines.feed(data) for found in self._line(line)]

    def end(self) -> list[Found]:
        """A dump ends with its file; a list that has begun and not ended is half."""
        found = self._line(self._lines.end())
        half, of, raw = self._listing, self._of, bytes(self._raw)
        self._begin()
        if half:
            return [*found, Noise("half a list", raw)]
        return [*found, Variables(of, raw)] if of else found

    def _begin(self) -> None:
        self._listing = False
        self._of: dict[str, str] = {}
        self._raw = bytearray()

    def _line(self, line: bytes) -> list[Found]:
        if len(line) > _LONGEST:
            return [Noise("a line that is too long", line[:_LONGEST])]
        text = line.decode("utf-8", "replace").strip()
        if text.startswith("BEGIN LIST "):
            found = self._cut_off()
            self._listing = True
            self._raw += line + b"\n"
            return found
        if text.startswith("END LIST ") and self._listing:
            whole = Variables(self._of, bytes(self._raw + line))
            self._begin()
            return [whole]
        if text.startswith("ERR "):
            return [*self._cut_off(), Refusal(text[4:40], line)]
        if not text or text.startswith("#"):
            return []
        return self._variable(text, line)

    def _variable(self, text: str, line: bytes) -> list[Found]:
        found = _LISTED.fullmatch(text) if self._listing else _PRINTED.fullmatch(text)
        if found is None:
            return [Noise("no line of NUT", line)]
        if len(self._of) >= MOST:
            return [Noise(f"more than {MOST} variables", line)]
        name = (found[2] or found[1]) if self._listing else found[1]
        self._of[name] = _ESCAPED.sub(r"\1", found[3]) if self._listing else found[2].strip()
        self._raw += line + b"\n"
        return []

    def _cut_off(self) -> list[Found]:
        raw, half = bytes(self._raw), self._listing
        self._begin()
        return [Noise("half a list", raw)] if half and raw else []
