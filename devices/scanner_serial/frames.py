"""A scanner's line: codes, each ended by what the scanner is set to send, or by silence.

`STX`, `ETX` and NUL around a code are framing and fall away. Stretches that are no text, or too short for a code, are
kept together as noise.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Suffix = Literal["auto", "cr", "lf", "tab", "none"]

MAX_CODE = 4096  # bytes; the largest QR code holds 2,953
_ENDS = {
    "auto": re.compile(rb"[\r\n]"),
    "cr": re.compile(rb"\r"),
    "lf": re.compile(rb"\n"),
    "tab": re.compile(rb"\t"),
    "none": re.compile(rb"(?!)"),
}
_FRAMING = b"\x00\x02\x03\r\n\t "
_IN_CODES = str.maketrans("", "", "\x1d\x1e\x04\n\r\t")  # GS1 and ISO 15434 marks
_ENCODINGS = ("utf-8", "gb18030")


class Code(NamedTuple):
    """One scan's text; `ended`: the scanner sent its suffix, so that nothing is missing at its end."""

    text: str
    raw: bytes
    ended: bool


class Noise(NamedTuple):
    reason: str
    raw: bytes


class LineParser:
    """Bytes in, codes and noise out. Opens no port, reads no clock, raises nothing."""

    def __init__(self, suffix: Suffix, min_length: int) -> None:
        self._end = _ENDS[suffix]
        self._min_length = min_length
        self._silence_ends = suffix == "none"
        self._line = bytearray()
        self._noise = bytearray()
        self._suffix_seen = False
        self._overlong = False  # what comes before the next suffix is the rest of something too long

    def feed(self, data: bytes) -> list[Code | Noise]:
        found: list[Code | Noise] = []
        self._line += data
        while True:
            if end := self._end.search(self._line, 0, MAX_CODE + 1):
                self._suffix_seen = True
                found += self._taken(bytes(self._line[: end.start()]), ended=True)
                del self._line[: end.end()]
            elif len(self._line) > MAX_CODE:
                found += self._dropped(bytes(self._line[:MAX_CODE]))
                del self._line[:MAX_CODE]
                self._overlong = True
            else:
                return found

    def end(self) -> list[Code | Noise]:
        """What silence, or the end of the line, leaves: a code of a scanner without suffix, or one that was cut off."""
        line = bytes(self._line)
        self._line.clear()
        found = self._taken(line, ended=self._silence_ends or not self._suffix_seen)
        return found + self._told_noise()

    def _taken(self, line: bytes, *, ended: bool) -> list[Code | Noise]:
        code, overlong = line.strip(_FRAMING), self._overlong
        self._overlong = False
        if not code:
            return []
        text = None if overlong or len(code) < self._min_length else _text(code)
        if text is None:
            return self._dropped(code)
        return [*self._told_noise(), Code(text, code, ended)]

    def _dropped(self, raw: bytes) -> list[Code | Noise]:
        """Adds to the noise; what is full is told."""
        told = self._told_noise() if len(self._noise) + len(raw) > MAX_CODE else []
        self._noise += raw
        return told

    def _told_noise(self) -> list[Code | Noise]:
        noise = bytes(self._noise)
        self._noise.clear()
        return [Noise("no code; check baudrate, parity and cable", noise)] if noise else []


def _text(code: bytes) -> str | None:
    for encoding in _ENCODINGS:
        try:
            text = code.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text if text.translate(_IN_CODES).isprintable() else None
    return None
